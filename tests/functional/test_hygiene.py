"""Nothing about a caller's picture is kept or logged, and workers stay lean."""

import json
from pathlib import Path

from PIL import Image

from tests.live_server import LiveServer, run_server
from tests.pictures import draw, encode, jpeg


def test_log_holds_nothing_about_the_picture(tiny_folder: Path, tmp_path: Path) -> None:
    """File name, EXIF and content never reach the log, which stays one JSON object a line."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET-EXIF"
    data = encode(draw(), "JPEG", exif=exif)
    tiff = encode(draw(), "TIFF")[:-60]
    with run_server(tmp_path, model=str(tiny_folder), log_level="debug") as server:
        server.upload(data, filename="SECRET-NAME\x1b[31m\u202egpj.exe")
        server.upload(data + b"SECRET-TAIL", filename="../../etc/SECRET-NAME")
        server.upload(tiff, filename="SECRET-NAME.tif")
        server.upload(b"SECRET-BYTES", filename="SECRET-NAME\r\nX: y")
        server.get("/SECRET-NAME", **{"X-Request-ID": "SECRET-NAME\x1b"})
        lines = server.lines
    assert not [line for line in lines if "SECRET" in line]
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_request_line_has_what_an_operator_needs(tiny_folder: Path, tmp_path: Path) -> None:
    """Each request is one line with route, status, code, id and times."""
    with run_server(tmp_path, model=str(tiny_folder)) as server:
        good = server.upload(jpeg()).json["request_id"]
        bad = server.upload(b"text").json["request_id"]
        server.get("/health")
        lines = server.lines
    requests = {
        one["request_id"]: one for one in map(json.loads, lines) if one["event"] == "request"
    }
    assert set(requests) == {good, bad}
    assert (requests[good]["route"], requests[good]["status"]) == ("/predict", 200)
    assert {"duration_ms", "queue_ms", "decode_ms", "inference_ms"} <= set(requests[good])
    assert (requests[bad]["status"], requests[bad]["code"]) == (400, "unsupported_format")


def test_no_process_maps_torch_and_the_parent_no_engine(server: LiveServer) -> None:
    """Serving with OpenVINO needs no torch, and the parent needs neither."""
    assert server.upload(jpeg()).status == 200
    for pid in server.worker_pids():
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "libopenvino" in maps
        assert "libtorch" not in maps
    parent = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "libtorch" not in parent
    assert "libopenvino" not in parent


def test_uploads_never_touch_the_disk(tiny_folder: Path, tmp_path: Path) -> None:
    """A large upload is held in memory: the temporary directory can be unwritable."""
    no_room = tmp_path / "no-room"
    no_room.mkdir()
    data = encode(draw(2000, 1500), "BMP")
    with run_server(tmp_path, model=str(tiny_folder)) as server:
        before = set(no_room.iterdir())
        assert server.upload(data).status == 200
        open_files = [
            link.readlink()
            for pid in server.worker_pids()
            for link in Path(f"/proc/{pid}/fd").iterdir()
            # One that was open when the folder was read may be closed by now.
            if link.is_symlink()
        ]
        assert set(no_room.iterdir()) == before
    assert not [path for path in open_files if str(path).startswith(("/tmp/tmp", "/var/tmp"))]
