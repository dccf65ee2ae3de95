"""The log is in one place and one form, and names what went wrong in the event itself."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg
from topfive.bundles.official import official_weights


@pytest.fixture(scope="module")
def nowhere() -> str:
    """The address of a proxy at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory, nowhere: str) -> Iterator[LiveServer]:
    """A service whose weights could not be downloaded; its two outputs are kept apart."""
    folder = tmp_path_factory.mktemp("troubled")
    with (
        pytest.MonkeyPatch.context() as patch,
        (folder / "stderr").open("w") as errors,
    ):
        patch.setenv("https_proxy", nowhere)
        with run_server(
            folder, stderr=errors, fallback_model="digits", log_level="debug"
        ) as running:
            yield running


def test_every_event_is_json_on_standard_output(troubled: LiveServer, tmp_path: Path) -> None:
    """Predictions, failures, a pull that failed and Gunicorn's own lines are JSON in one place."""
    assert troubled.upload(jpeg()).status == 200
    assert troubled.upload(b"text").status == 400
    troubled.request("GET", "/predict")
    for name in ("model_pulling", "model_not_pulled", "starting", "listening", "model_degraded"):
        assert troubled.events(name), name
    lines = [json.loads(line) for line in list(troubled.lines)]
    assert any(line["event"].startswith("Booting worker") for line in lines)
    assert all({"severity", "time", "message", "event"} <= line.keys() for line in lines)


def test_nothing_is_on_standard_error(troubled: LiveServer) -> None:
    """A service that is not at a terminal writes nothing beside its log."""
    link = Path(f"/proc/{troubled.process.pid}/fd/2").readlink()
    assert link.name == "stderr"
    assert link.read_text() == ""


def test_the_event_itself_has_the_cause(troubled: LiveServer) -> None:
    """Why weights could not be downloaded is in the event that says so, and points nowhere else."""
    (event,) = troubled.events("model_not_pulled")
    assert official_weights("mobilenet_v2").url in event["reason"]
    assert "refused" in event["reason"]
    assert event["reason"] in event["message"]
    assert not [line for line in troubled.lines if "see above" in line or "its log says" in line]


def test_console_lines_are_plain_sentences(tiny_folder: Path, tmp_path: Path) -> None:
    """At a terminal a request is one short line, an event a sentence, and there are no colours."""
    with (
        (tmp_path / "stderr").open("w") as errors,
        run_server(
            tmp_path,
            stderr=errors,
            model=str(tiny_folder),
            log_format="console",
        ) as server,
    ):
        server.upload(jpeg())
        server.upload(b"text")
        server.get("/info")
    text = "\n".join(server.lines)
    clock = r"(?m)^\d\d:\d\d:\d\d "
    for line in (
        r"Starting with the model tiny\. Workers: 1, slots in each: \d+, .*\.$",
        r"The model tiny 1 is loaded: openvino (f32|bf16)\.$",
        r"POST /predict 200 \d+ ms class \d \d+%$",
        r"POST /predict 400 unsupported_format$",
        r"GET /info 200 [\d.]+ ms$",
    ):
        assert re.search(clock + line, text), f"{line}\n{text}"
    assert "\x1b" not in text
    assert (tmp_path / "stderr").read_text() == ""


def test_classes_stay_out_of_log_metrics_and_traces(tiny_folder: Path, tmp_path: Path) -> None:
    """With TOPFIVE_LOG_CLASSES=false nothing that is kept tells what was seen, or how surely."""
    with run_server(tmp_path, model=str(tiny_folder), log_classes="false") as server:
        best = server.upload(jpeg()).json["predictions"][0]
        metrics = server.get("/metrics").body.decode()
    (line,) = [one for one in server.events("request") if one["route"] == "/predict"]
    assert line["model"] == "tiny"
    assert "inference_ms" in line
    assert not {"top_class", "confidence"} & line.keys()
    assert not [one for one in server.lines if best["class_name"] in one]
    assert best["class_name"] not in metrics
    assert "topfive_confidence_bucket" not in metrics
    assert 'topfive_predictions_total{model="tiny"' in metrics
