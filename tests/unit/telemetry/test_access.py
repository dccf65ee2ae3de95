"""Every request is logged, counted and traced once, and nothing of its picture is."""

import io
import json
from datetime import datetime

import structlog

from topfive.predictions import ClassScore, ImageInfo, ModelRef, Prediction, Timings
from topfive.telemetry.access import AccessLog, AccessRecord
from topfive.telemetry.logs import LogOptions, configure_logs


def _access_record(**changes) -> AccessRecord:
    values = {
        "route": "/predict",
        "method": "POST",
        "status": 200,
        "code": None,
        "request_id": "abc",
        "duration_ms": 12.345,
        "prediction": Prediction(
            ModelRef("tiny", "1"),
            (ClassScore(3, "cat", 0.87654), ClassScore(1, "dog", 0.1)),
            ImageInfo("PNG", 30, 40),
            Timings(1.111, 2.222, 0.555, 3.333, 6.666),
        ),
    }
    return AccessRecord(**(values | changes))


def _logged(level: str, *records: AccessRecord) -> list[dict]:
    configure_logs(LogOptions(level, "json"))
    stream = io.StringIO()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(stream))
    access_log = AccessLog()
    for record in records:
        access_log.record(record)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_log_line():
    """The line has the route, the outcome and the times, and nothing of the picture."""
    failed = _access_record(status=400, code="invalid_image", prediction=None)
    good, bad = _logged("info", _access_record(), failed)
    time = good.pop("time")
    assert datetime.fromisoformat(time).tzinfo
    assert good == {
        "event": "request",
        "severity": "INFO",
        "message": "POST /predict 200",
        "httpRequest": {
            "requestMethod": "POST",
            "requestUrl": "/predict",
            "status": 200,
            "latency": "0.012350s",
        },
        "route": "/predict",
        "method": "POST",
        "status": 200,
        "request_id": "abc",
        "duration_ms": 12.35,
        "model": "tiny",
        "version": "1",
        "top_class": "cat",
        "confidence": 0.8765,
        "queue_ms": 1.11,
        "decode_ms": 2.22,
        "preprocess_ms": 0.56,
        "inference_ms": 3.33,
    }
    assert bad["code"] == "invalid_image"
    assert "queue_ms" not in bad


def test_health_checks_do_not_fill_the_log():
    """Probes are logged at debug level only."""
    probes = [_access_record(route=route) for route in ("/health", "/livez", "/readyz", "/metrics")]
    assert _logged("info", *probes) == []
    assert len(_logged("debug", *probes)) == 4


def test_a_request_is_under_way_until_it_is_recorded():
    """One that was refused before it had a trace was never under way."""
    access_log = AccessLog()
    trace = access_log.begin_request()
    access_log.record(_access_record(trace=None))
    assert access_log.in_flight == 1
    access_log.record(_access_record(trace=trace))
    assert access_log.in_flight == 0


def test_a_rollback_is_one_warning():
    """The log says what was taken off which route, and why."""
    stream = io.StringIO()
    configure_logs(LogOptions("info", "json"))
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(stream))
    AccessLog().record_rollback("default", ModelRef("flowers", "2"), "p99", "It is slow.")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["severity"]) == ("canary_rolled_back", "WARNING")
    assert (line["alias"], line["model"], line["version"]) == ("default", "flowers", "2")
    assert (line["cause"], line["reason"]) == ("p99", "It is slow.")


def test_shed_uploads_share_one_line():
    """However many were refused at once, the log has one line with their number."""
    stream = io.StringIO()
    configure_logs(LogOptions("info", "json"))
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(stream))
    AccessLog().record_load_shed(37, "overloaded")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["severity"]) == ("load_shed", "WARNING")
    assert (line["count"], line["code"]) == (37, "overloaded")


def test_a_fault_of_the_history_is_logged_with_its_traceback():
    """It happens in the background, where no request tells of it."""
    configure_logs(LogOptions("info", "json"))
    stream = io.StringIO()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(stream))
    try:
        raise ValueError("a fault")
    except ValueError as error:
        AccessLog().record_history_fault(error)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["kind"], line["severity"]) == (
        "unforeseen_error",
        "ValueError",
        "ERROR",
    )
    assert "Traceback" in line["exception"]
