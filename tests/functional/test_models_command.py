"""`topfive models` and the rule of who may order, against the real service."""

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.start import run_topfive
from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg
from tests.unit.bundle_copies import copy_bundle

Typed = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def server(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Two workers that serve version 1 of `flowers`; 2 is good, and 3 is damaged."""
    folder = tmp_path_factory.mktemp("flowers")
    for version in ("1", "2", "3"):
        copy_bundle(
            tiny_folder, folder / "models" / "flowers" / version, name="flowers", version=version
        )
    with (folder / "models" / "flowers" / "3" / "model.bin").open("ab") as file:
        file.write(b"more")
    with run_server(folder, model="flowers@1", workers="2") as running:
        yield running


@pytest.fixture
def typed(server: LiveServer, tmp_path: Path) -> Typed:
    """Runs `topfive models ...` as it is typed, for that service."""
    return lambda line: run_topfive(tmp_path, "models", *line.split(), port=str(server.port))


def done(found: "subprocess.CompletedProcess[str]") -> str:
    """What a command that must work has printed."""
    assert (found.returncode, found.stderr) == (0, ""), found
    return found.stdout


def state(typed: Typed, version: str) -> str:
    """The state of a version, as the list shows it."""
    models = json.loads(done(typed("list --json")))["models"]
    return next(str(one["state"]) for one in models
                if (one["name"], one["version"]) == ("flowers", version))  # fmt: skip


def versions(server: LiveServer, query: str = "") -> set[str]:
    """Which versions answer several predictions, on connections that any worker may take."""
    answers = [server.upload(jpeg(), f"/predict{query}") for _ in range(6)]
    assert {one.status for one in answers} == {200}
    return {one.json["model"]["version"] for one in answers}


def test_a_version_is_tried_taken_and_the_old_one_unloaded(
    server: LiveServer, typed: Typed
) -> None:
    """The guide's steps, one after the other: each has happened when its command ends."""
    assert "available" in done(typed("list"))
    assert state(typed, "2") == "available"

    told = done(typed("load flowers@2"))
    assert told == "flowers@2 is ready in every worker.\n"
    assert versions(server) == {"1"}
    assert versions(server, "?model=flowers&version=2") == {"2"}

    told = done(typed("activate flowers@2"))
    assert told == "flowers@2 is active in every worker.\n"
    assert versions(server) == versions(server, "?model=flowers") == {"2"}

    done(typed("load flowers@1"))
    assert done(typed("unload flowers@1")) == "flowers@1 is unloaded in every worker.\n"
    assert state(typed, "1") == "available"
    assert versions(server) == {"2"}
    done(typed("activate flowers@1"))
    assert versions(server) == {"1"}


def test_what_is_refused_says_why_and_changes_nothing(server: LiveServer, typed: Typed) -> None:
    """A damaged bundle, an unknown name and one that is in use: one line each, and exit code 1."""
    before = versions(server)
    for line, code in (
        ("activate flowers@3", "model_refused"),
        ("load flower@1", "model_not_found"),
        ("load flowers@9", "model_not_found"),
        ("unload flowers@1", "model_busy"),
        ("route default nobody@1", "model_not_found"),
    ):
        found = typed(line)
        assert (found.returncode, found.stdout) == (1, ""), found
        assert found.stderr.startswith("Error: ")
        assert f"({code})" in found.stderr
        assert "/" not in found.stderr.replace("GET /models", "")
    assert "flowers" in typed("load flower@1").stderr
    assert versions(server) == before


def test_a_route_is_set_and_shown(server: LiveServer, typed: Typed) -> None:
    """What was typed is what the route then is."""
    told = done(typed("route beta flowers@1:3 flowers@2:1"))
    assert "The route beta is followed by every worker." in told
    assert "75.0%" in told
    route = json.loads(done(typed("route beta --json")))
    assert [(one["version"], one["weight"]) for one in route["targets"]] == [("1", 3), ("2", 1)]
    assert state(typed, "2") == "ready"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Host": "example.org"},
        {"Origin": "https://example.org"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_only_this_machine_orders_without_keys(server: LiveServer, headers: dict[str, str]) -> None:
    """403 for what comes by a proxy or from another site's page, before anything is looked at."""
    path = "/models/flowers/versions/2/load"
    for method in ("POST", "DELETE", "PUT"):
        where = {"POST": path, "DELETE": path.removesuffix("/load"), "PUT": "/routes/default"}
        answer = server.request(method, where[method], headers=headers)
        assert (answer.status, answer.code) == (403, "forbidden")


def test_an_old_proxy_orders_nothing(server: LiveServer) -> None:
    """HTTP/1.0 is what nginx speaks by default to what is behind it."""
    request = b"POST /models/flowers/versions/2/load HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        assert connection.recv(100).startswith(b"HTTP/1.0 403 ")


def test_a_route_may_come_in_chunks(server: LiveServer) -> None:
    """The body of an order is read however it is sent; what it says is looked at then."""
    connection = server.connect()
    parts: list[bytes] = [b'{"targets": [{"model": "nobody', b'", "weight": 1}]}']
    connection.request("PUT", "/routes/default", iter(parts),
                       {"Content-Type": "application/json"}, encode_chunked=True)  # fmt: skip
    answer: Any = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["code"] == "model_not_found"
