"""Metrics and traces of the running service."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def samples(server: LiveServer, path: str = "/metrics") -> dict[str, float]:
    """Read all samples, by name and labels."""
    lines = server.get(path).body.decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def free_port() -> int:
    """Find a port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_metrics_are_those_of_all_workers(tiny_folder: Path, tmp_path: Path) -> None:
    """Whichever worker is asked, every request of every worker is counted once."""
    with run_server(tmp_path, model=str(tiny_folder), workers="2") as server:
        for _ in range(20):
            assert server.upload(jpeg()).status == 200
        assert server.upload(b"no picture").status == 400
        for _ in range(4):
            told = samples(server)
            assert told['topfive_predictions_total{model="tiny",version="1"}'] == 20
            assert told['topfive_rejected_total{reason="unsupported_format"}'] == 1
            assert told["topfive_workers"] == 2
            assert told["topfive_worker_restarts_total"] == 0
            assert told['topfive_inference_seconds_count{model="tiny",version="1"}'] == 20
            assert 1 <= told["topfive_requests_in_flight"] <= 2
            labels = 'method="POST",route="/predict",status="200"'
            assert told[f"topfive_request_duration_seconds_count{{{labels}}}"] == 20
        assert any(name.startswith("topfive_model_info{") for name in told)
        assert server.get("/metrics").headers["Content-Type"].startswith("text/plain")


def test_a_killed_worker_is_counted_and_leaves_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    """Restarts are counted, what the worker counted stays, and its own samples go."""
    with run_server(tmp_path, model=str(tiny_folder), workers="1") as server:
        assert server.upload(jpeg()).status == 200
        (victim,) = server.worker_pids()
        os.kill(victim, signal.SIGKILL)
        end_s = time.monotonic() + 30
        while victim in server.worker_pids() or not server.worker_pids():
            assert time.monotonic() < end_s
            time.sleep(0.05)
        told = samples(server)
        assert told["topfive_worker_restarts_total"] == 1
        assert told["topfive_workers"] == 1
        assert told['topfive_predictions_total{model="tiny",version="1"}'] == 1
        assert not any(f'worker="{victim}"' in name for name in told)


def test_metrics_can_have_a_port_of_their_own(tiny_folder: Path, tmp_path: Path) -> None:
    """Then they are not on the main port, and predictions are not on theirs."""
    port = free_port()
    with run_server(tmp_path, model=str(tiny_folder), metrics_port=str(port)) as server:
        assert server.get("/metrics").status == 404
        assert server.upload(jpeg()).status == 200
        apart = LiveServer(server.process, server.lines, f"http://127.0.0.1:{port}")
        assert samples(apart)["topfive_workers"] >= 1
        assert apart.get("/health").status == 200
        assert apart.upload(jpeg()).status == 404


def test_with_api_keys_metrics_need_the_scope_admin(tiny_folder: Path, tmp_path: Path) -> None:
    """On the main port, only a key with the scope admin sees metrics."""
    keys = ",".join((sha256(b"reader").hexdigest(), sha256(b"chief").hexdigest() + ":admin"))
    with run_server(tmp_path, model=str(tiny_folder), api_keys=keys) as server:
        assert server.get("/metrics").code == "unauthorized"
        assert server.get("/metrics", **{"X-API-Key": "reader"}).code == "forbidden"
        assert server.get("/metrics", Authorization="Bearer chief").status == 200


def test_a_metrics_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The start stops with what is wrong and what to set."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with (
        pytest.raises(AssertionError) as stopped,
        run_server(tmp_path, model="digits", metrics_dir=str(blocked / "folder")),
    ):
        pass
    assert "TOPFIVE_METRICS_DIR" in str(stopped.value)


def test_a_callers_trace_reaches_the_log(server: LiveServer) -> None:
    """The trace id of a sane traceparent is in the request's line; of a broken one, nothing is."""
    request_ids = []
    for header in (TRACEPARENT, "00-zz-zz-01"):
        answer = server.upload(jpeg(), headers={"traceparent": header})
        request_ids.append(answer.json["request_id"])
        assert "traceparent" not in answer.headers
    end_s = time.monotonic() + 10
    lines: dict[str, dict[str, object]] = {}
    while not set(request_ids) <= set(lines):
        assert time.monotonic() < end_s, "the lines were not written"
        lines = {line["request_id"]: line for line in server.events("request")}
        time.sleep(0.02)
    assert lines[request_ids[0]]["trace"] == TRACEPARENT.split("-")[1]
    assert "trace" not in lines[request_ids[1]]


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Run an OTLP endpoint that keeps what it is sent."""
    received: list[bytes] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    endpoint = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = Thread(target=endpoint.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{endpoint.server_port}", received
    finally:
        endpoint.shutdown()
        thread.join()
        endpoint.server_close()


def test_traces_are_sent_with_a_span_for_each_stage(tiny_folder: Path, tmp_path: Path) -> None:
    """The request's span continues the caller's trace, and its stages lie within it, in order."""
    trace_pb2 = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
        reason="requirements-tracing.txt is not installed",
    )
    with collector() as (url, received):
        with run_server(tmp_path, model=str(tiny_folder), workers="1", otlp_endpoint=url) as server:
            answer = server.upload(jpeg(), headers={"traceparent": TRACEPARENT})
        messages = [trace_pb2.ExportTraceServiceRequest.FromString(one) for one in received]
    (resource,) = {str(one.resource_spans[0].resource.attributes) for one in messages}
    assert "topfive" in resource
    spans = [
        span
        for message in messages
        for scope in message.resource_spans[0].scope_spans
        for span in scope.spans
        if span.trace_id.hex() == TRACEPARENT.split("-")[1]
    ]
    whole = next(span for span in spans if span.name == "POST /predict")
    assert whole.parent_span_id.hex() == TRACEPARENT.split("-")[2]
    assert answer.headers["traceparent"].split("-")[2] == whole.span_id.hex()
    stages = sorted(
        (span for span in spans if span.parent_span_id == whole.span_id),
        key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano),
    )
    assert [one.name for one in stages] == ["receive", "queue", "decode", "preprocess", "inference"]
    assert whole.start_time_unix_nano <= stages[0].start_time_unix_nano
    assert stages[-1].end_time_unix_nano <= whole.end_time_unix_nano
    assert "photo.jpg" not in json.dumps([str(span) for span in spans])
