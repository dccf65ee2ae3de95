"""Log lines: of one shape, whoever writes them."""

import json
import logging
import re
import sys
import threading
import warnings

import pytest

from topfive.telemetry.logs import (
    LogOptions,
    bind_log_fields,
    clear_log_fields,
    configure_logs,
    get_logger,
    log_what_python_reports,
)


def test_a_line_is_one_json_object(capsys):
    """The event, its fields, its severity and its time are in one object on standard output."""
    configure_logs(LogOptions("info", "json"))
    get_logger().warning("something", answer=42)
    captured = capsys.readouterr()
    line = json.loads(captured.out)
    assert (line["event"], line["severity"], line["answer"]) == ("something", "WARNING", 42)
    assert line["time"].endswith("Z")
    assert captured.err == ""


def test_what_is_below_the_level_is_left_out(capsys):
    """At level error, a warning is not written; an error is."""
    configure_logs(LogOptions("error", "json"))
    get_logger().warning("quiet")
    logging.getLogger("gunicorn.error").warning("quiet too")
    get_logger().error("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == ["loud"]


def test_libraries_write_the_same_shape(capsys):
    """What comes by Python's own logging is JSON with the same keys."""
    configure_logs(LogOptions("info", "json"))
    logging.getLogger("some.library").info("hello %s", "you")
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["severity"]) == ("hello you", "INFO")
    assert "time" in line


def test_an_exception_is_one_field(capsys):
    """A traceback stays inside its line."""
    configure_logs(LogOptions("info", "json"))
    try:
        raise ValueError("broken")
    except ValueError:
        get_logger().exception("failed")
    (line,) = capsys.readouterr().out.splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_a_person_gets_plain_text(capsys):
    """The console format is readable, and without colours where nobody looks."""
    configure_logs(LogOptions("info", "console"))
    get_logger().info("listening", url="http://127.0.0.1:5000", port=5000)
    written = capsys.readouterr().out
    assert written.endswith(" Listening on http://127.0.0.1:5000\n")
    assert "\x1b[" not in written


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_classes_can_be_left_out(capsys, log_format):
    """Without classes, neither the best class nor its confidence is written."""
    configure_logs(LogOptions("info", log_format, has_classes=False))
    fields = {"method": "POST", "route": "/predict", "status": 200, "duration_ms": 14.0}
    get_logger().info("request", **fields, top_class="zebra", confidence=0.7312)
    # The moment has digits of its own.
    written = re.sub(r"\d\d:\d\d:\d\d[.\d]*", "", capsys.readouterr().out)
    assert "/predict" in written
    assert "zebra" not in written
    assert "73" not in written


@pytest.fixture
def _reports_are_logged(monkeypatch):
    """Have Python's own reports logged, until the test ends."""
    for owner, name in ((sys, "excepthook"), (threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    logging.captureWarnings(False)
    log_what_python_reports()
    yield
    logging.captureWarnings(False)


@pytest.mark.usefixtures("_reports_are_logged")
def test_what_python_would_print_is_logged(capsys):
    """Warnings, and exceptions that end a thread or nobody can catch, are events on one line."""
    configure_logs(LogOptions("info", "json"))
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError("broken"), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("odd", stacklevel=1)
    captured = capsys.readouterr()
    first, second, third = map(json.loads, captured.out.splitlines())
    assert (first["event"], first["kind"]) == ("unforeseen_error", "ZeroDivisionError")
    assert "1 // 0" in first["exception"]
    assert (second["severity"], second["kind"]) == ("ERROR", "ValueError")
    assert (third["severity"], "odd" in third["message"]) == ("WARNING", True)
    assert captured.err == ""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_details_of_pictures_stay_out(capsys, log_format):
    """Pillow's messages and warnings about a caller's picture are not written."""
    configure_logs(LogOptions("debug", log_format))
    logging.getLogger("PIL.PngImagePlugin").warning("secret of a picture")
    warnings.warn_explicit("secret of a picture", UserWarning, "x.py", 1, "PIL.TiffImagePlugin")
    assert "secret" not in capsys.readouterr().out


def test_every_line_of_a_request_has_its_id(capsys):
    """What libraries log while a request is answered can be found by the request's id."""
    configure_logs(LogOptions("info", "json"))
    bind_log_fields(request_id="abc")
    logging.getLogger("some.library").warning("odd")
    clear_log_fields()
    logging.getLogger("some.library").warning("later")
    odd, later = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert odd["request_id"] == "abc"
    assert "request_id" not in later


def test_the_message_is_what_a_person_reads_first(capsys):
    """The message is words: the event's, and the reason where there is one."""
    configure_logs(LogOptions("info", "json"))
    get_logger().warning("model_refused", reason="no weights")
    logging.getLogger("gunicorn.error").info("worker_tmp is /dev/shm/a_b")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["message"] == "model refused: no weights"
    assert second["message"] == "worker_tmp is /dev/shm/a_b"
