"""What a running service leaves behind: nothing on disk, no way in but its port, a clean end."""

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.wire import exchange, head
from tests.live_server import LiveServer, run_server
from tests.pictures import draw, encode, jpeg


@pytest.fixture(scope="module")
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the service is told to put temporary files into."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def watched(
    tiny_folder: Path, temporary_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A service whose folders and log are looked into; it logs as much as it can."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary_folder))
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        folder = tmp_path_factory.mktemp("watched")
        with run_server(folder, model=str(tiny_folder), workers="1", log_level="debug") as running:
            yield running


def written_bytes(pid: int) -> int:
    """Tell how many bytes a process has ever handed to write(), sockets' send() left out."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


@pytest.mark.parametrize("is_form", [True, False], ids=["form", "raw"])
def test_large_upload_is_never_written(
    watched: LiveServer, temporary_folder: Path, is_form: bool
) -> None:
    """Nine megabytes come in and are classified without a write to any file, hidden or not."""
    data = encode(draw(2000, 1500), "BMP")
    assert len(data) > 8_900_000
    (pid,) = watched.worker_pids()
    before = written_bytes(pid)
    if is_form:
        answer = watched.upload(data)
    else:
        answer = watched.request("POST", "/predict", data, {"Content-Type": "image/bmp"})
    assert answer.status == 200
    assert written_bytes(pid) - before < 500_000
    assert not list(temporary_folder.iterdir())


def test_no_socket_but_the_port_is_open(watched: LiveServer) -> None:
    """No process of the service can be reached by a path, as by a control socket."""
    bound = {
        fields[6]: fields[7]
        for fields in map(str.split, Path("/proc/net/unix").read_text().splitlines()[1:])
        if len(fields) > 7
    }
    for pid in [watched.process.pid, *watched.worker_pids()]:
        links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
        inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
        assert not {bound[inode] for inode in inodes & bound.keys()}


def test_log_line_is_quiet_about_the_caller(watched: LiveServer) -> None:
    """Queries, headers, names and content of the caller's are not in the log, even at debug."""
    marker = "QZX9-MARKER"
    watched.upload(jpeg(), f"/predict?model={marker}", filename=f"{marker}.jpg")
    watched.upload(jpeg(), name=marker)
    watched.get(f"/livez?q={marker}", **{"User-Agent": marker, "Cookie": marker})
    watched.request("POST", "/predict", marker.encode(), {"Content-Type": f"text/{marker}"})
    watched.upload(jpeg(comment=marker.encode()), filename=f"a%0d%0a{marker}\x1b[2J\x07.jpg")
    last = watched.get(f"/health?{marker}", **{"X-Request-ID": f"{marker} {marker}"})
    watched.wait_for_line(last.headers["X-Request-ID"])
    assert len(watched.events("request")) >= 6
    for line in watched.lines:
        assert marker not in line
        assert line.isprintable()
        assert isinstance(json.loads(line), dict)


def test_unknown_address_is_not_logged(server: LiveServer) -> None:
    """An address that does not exist may say anything, so its line does not repeat it."""
    answer = server.get("/QZX9-MARKER?q=QZX9-MARKER")
    assert server.wait_for_line(answer.headers["X-Request-ID"])["route"] == "unknown"
    assert not [line for line in server.lines if "QZX9-MARKER" in line]


@pytest.mark.parametrize(
    "data",
    [
        head("POST", "/predict", Content_Type="image/jpeg", Content_Length="3")
        + b"\xff\xd8\xffQZX8-MARKER of a picture\r\n\r\n",
        b"GET /QZX8-MARKER HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer QZX8-MARKER\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nQZX8 MARKER: 1\r\n\r\n",
    ],
    ids=[
        "picture longer than announced",
        "wrong version",
        "key with a control character",
        "wrong header name",
    ],
)
def test_broken_request_is_not_quoted_in_the_log(server: LiveServer, data: bytes) -> None:
    """What is no HTTP may be a piece of a picture, or a key, so the log does not repeat it."""
    server.wait_for_line(server.get("/nothing-here").headers["X-Request-ID"])
    count = len(server.lines)
    exchange(server, data)
    for _ in range(5):
        # Either worker may have got the broken one, and each writes its lines in order.
        server.wait_for_line(server.get("/nothing-here").headers["X-Request-ID"])
    assert not [line for line in server.lines[count:] if re.search("QZX8.MARKER", line)]


def test_log_line_repeats_the_answer(watched: LiveServer) -> None:
    """A request's line has its route, status, code, id and timings, as the caller saw them."""
    good, bad = watched.upload(jpeg()), watched.upload(b"text")
    line = watched.wait_for_line(good.headers["X-Request-ID"])
    assert (line["route"], line["method"], line["status"]) == ("/predict", "POST", 200)
    line["decode_ms"] = pytest.approx(line["decode_ms"] + line["preprocess_ms"], abs=0.02)
    for step in ("queue", "decode", "inference"):
        assert line[f"{step}_ms"] == good.json["timing_ms"][step]
    assert line["duration_ms"] >= good.json["timing_ms"]["total"]
    assert "code" not in line
    line = watched.wait_for_line(bad.headers["X-Request-ID"])
    assert (line["status"], line["code"]) == (400, "unsupported_format")
    assert "decode_ms" not in line


def test_stopping_ends_every_process(tiny_folder: Path, tmp_path: Path) -> None:
    """SIGTERM ends the service with exit code 0, its workers too, and the port is free."""
    with run_server(tmp_path, model=str(tiny_folder), workers="2") as server:
        workers = server.worker_pids()
        assert len(workers) == 2
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(45) == 0
        assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
        with pytest.raises(ConnectionRefusedError):
            server.get("/livez")
        assert not list(tmp_path.iterdir())


def _wait_until_ended(server: LiveServer, worker: int) -> None:
    """Wait for a worker that a reload replaces: it answers until it has ended."""
    end_s = time.monotonic() + 60
    while worker in server.worker_pids() and time.monotonic() < end_s:
        time.sleep(0.05)


def test_a_bundle_damaged_meanwhile_is_told_and_mended(tiny_folder: Path, tmp_path: Path) -> None:
    """New workers refuse it without telling its path; a reload takes it up once it is whole."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file in tiny_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    whole = (folder / "model.bin").read_bytes()
    with run_server(tmp_path, model=str(folder), workers="1") as server:
        (folder / "model.bin").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        (before,) = server.worker_pids()
        server.process.send_signal(signal.SIGHUP)
        assert "damaged" in server.wait_for_health("unavailable")["reason"]
        _wait_until_ended(server, before)
        for answer in (server.get("/health"), server.get("/info"), server.upload(jpeg())):
            assert str(tmp_path).encode() not in answer.body
        refused = server.upload(jpeg())
        assert (refused.status, refused.code) == (503, "model_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        assert "sha256" in server.events("model_unavailable")[0]["reason"]
        (folder / "model.bin").write_bytes(whole)
        (without_model,) = server.worker_pids()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_health("healthy", within_s=90)
        _wait_until_ended(server, without_model)
        assert server.upload(jpeg()).status == 200
