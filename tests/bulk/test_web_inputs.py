"""Pictures behind web servers: read within limits, tried again where that helps, secrets kept."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.store_servers import (
    Fault,
    FaultyServer,
    answering,
    cut_off,
    endless,
    serve_directory,
    stall,
    trickle,
)
from tests.unit.bulk.inputs.places import contents, entries_of, fill
from topfive.bulk.inputs import web
from topfive.bulk.inputs.unreadable import Unreadable
from topfive.bulk.inputs.web import WebPictures

SECRET = "hidden-word"

Read = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_RETRIES", web._RETRIES.new(backoff_factor=0))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    """A web server with pictures, whose answers can go wrong."""
    with serve_directory(fill(tmp_path / "web", ["a.jpg", "b%20c%C3%A9.jpg"])) as one:
        yield one


@pytest.fixture
def read(server: FaultyServer) -> Iterator[Read]:
    """Read from that server, with little patience."""
    pictures = WebPictures(stall_s=0.5, picture_s=0.7)

    def read(path: str, most_bytes: int = 1000) -> bytes:
        return pictures.read(f"{server.url}/{path}".encode(), most_bytes)

    yield read
    pictures.close()


def test_addresses_are_listed_and_read(server: FaultyServer, tmp_path: Path) -> None:
    """One address, or a list of them beside files; blanks and letters of any kind are escaped."""
    assert contents(entries_of(f"{server.url}/a.jpg")) == [b"a.jpg"]
    fill(tmp_path, ["here.jpg"])
    lines = f"here.jpg\n{server.url}/b c\u00e9.jpg\n{server.url}/none.jpg\nftp://x/y.jpg\n"
    (tmp_path / "list.txt").write_text(lines, "utf-8")
    assert contents(entries_of(tmp_path / "list.txt")) == [
        b"here.jpg",
        b"b%20c%C3%A9.jpg",
        "There is nothing at this address (404).",
        "Nothing is read from addresses that begin with ftp://.",
    ]


def test_a_connection_serves_many_pictures(server: FaultyServer, read: Read) -> None:
    """Nothing is connected anew for each picture."""
    ports = set()
    answer = server.faults

    def noting(handler: object, found: object, ending: object) -> None:
        from tests.store_servers import send

        ports.add(handler.client_address[1])  # type: ignore[attr-defined]
        send(handler, found, ending)  # type: ignore[arg-type]

    answer["a.jpg"] = (noting, 10)
    assert [read("a.jpg") for _ in range(5)] == [b"a.jpg"] * 5
    assert len(ports) == 1


def test_no_more_is_read_than_is_allowed(server: FaultyServer, read: Read) -> None:
    """An answer without an end ends with the byte that shows that it is too large."""
    server.break_path("a.jpg", endless)
    assert read("a.jpg", 100_001) == b"0" * 100_001


@pytest.mark.parametrize("fault", [answering(503), answering(429, Retry_After="0"), cut_off, stall])
def test_what_fails_for_a_moment_is_tried_again(
    server: FaultyServer, read: Read, fault: Fault
) -> None:
    """A busy server and a broken connection cost a moment, not the picture."""
    server.break_path("a.jpg", fault, times=1)
    assert read("a.jpg") == b"a.jpg"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (answering(401), "The server refuses access (401)."),
        (answering(403), "The server refuses access (403)."),
        (answering(404), "There is nothing at this address (404)."),
        (answering(410), "There is nothing at this address (410)."),
        (answering(400), "The server answers 400."),
        (answering(204), "The server answers 204."),
        (answering(503), "The server answers 503."),
        (answering(302), "The server answers 302."),
        (cut_off, "It cannot be read: the connection broke off."),
        (stall, "It cannot be read: it did not answer in time."),
        (trickle, "It did not come within 0.7 s."),
        (answering(302, Location="file:///etc/passwd"),
         "The server redirects to where nothing is read from."),
        (answering(302, Location="/a.jpg"), "The server redirects more than 5 times."),
    ],
)  # fmt: skip
def test_what_does_not_come_is_told(
    server: FaultyServer, read: Read, fault: Fault, said: str, tmp_path: Path
) -> None:
    """Each way in which it goes wrong has its sentence, without the address."""
    (tmp_path / "web/a.jpg").write_bytes(b"x" * 40)
    server.break_path("a.jpg", fault)
    with pytest.raises(Unreadable) as got:
        read(f"a.jpg?sig={SECRET}")
    assert got.value.detail == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b"http://127.0.0.1:1/a.jpg", "nothing answers there"),
        (b"http://nowhere.invalid/a.jpg", "its name is not known"),
        (b"http://127.0.0.1:99999/a.jpg", "it is no address of a web server"),
        (b"http://[::1/a.jpg", "its address or answer is broken"),
        (b"http:///a.jpg", "it is no address of a web server"),
        (b"http://host/\xff.jpg", "The address is no UTF-8."),
    ],
)
def test_what_cannot_be_asked_is_told(name: bytes, said: str) -> None:
    """No server, no such name, no address: a row that says so."""
    pictures = WebPictures(stall_s=0.5)
    with pytest.raises(Unreadable) as got:
        pictures.read(name, 10)
    pictures.close()
    assert said in got.value.detail


def test_redirects_are_followed(server: FaultyServer, read: Read) -> None:
    """A picture that has moved is read from where it is."""
    server.break_path("old.jpg", answering(301, Location="/a.jpg"))
    assert read("old.jpg") == b"a.jpg"


def test_a_login_goes_to_its_own_server_alone(server: FaultyServer, tmp_path: Path) -> None:
    """It is sent as such, and not to where a redirect leads."""
    pictures = WebPictures()
    with serve_directory(tmp_path / "web") as other:
        server.break_path("b.jpg", answering(302, Location=f"{other.url}/a.jpg"))
        address = server.url.replace("://", f"://me:{SECRET}@")
        assert pictures.read(f"{address}/a.jpg".encode(), 100) == b"a.jpg"
        assert pictures.read(f"{address}/b.jpg".encode(), 100) == b"a.jpg"
        assert all(headers["authorization"].startswith("Basic ") for _, _, headers in server.seen)
        assert all("authorization" not in headers for _, _, headers in other.seen)
    pictures.close()
