"""The log as a person at a terminal reads it."""

import re

import pytest

from topfive.telemetry.console import SENTENCES, ConsoleRenderer

REQUEST = {
    "event": "request",
    "level": "info",
    "method": "POST",
    "route": "/predict",
    "status": 200,
    "duration_ms": 14.2,
    "request_id": "abc",
}


def shown(line, has_colours=False):
    """Write a line, and check that it begins with the time; returns the rest."""
    text = ConsoleRenderer(has_colours)(None, "", dict(line))
    clock, _, rest = text.partition(" ")
    assert re.fullmatch(r"(\x1b\[2m)?\d\d:\d\d:\d\d(\x1b\[0m)?", clock)
    return rest


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"top_class": "zebra", "confidence": 0.7312}, "POST /predict 200 14 ms zebra 73%"),
        ({}, "POST /predict 200 14 ms"),
        ({"duration_ms": 0.34}, "POST /predict 200 0.3 ms"),
        ({"status": 400, "code": "invalid_image"}, "POST /predict 400 invalid_image"),
    ],
)
def test_a_request_is_one_short_line(fields, text):
    """Method, route, status and time; the best class where it is known; or the failure's code."""
    assert shown(REQUEST | fields) == text


def test_warnings_and_errors_stand_out():
    """A warning and an error say so in words, for those who see no colours too."""
    line = {"event": "model_refused", "reason": "No network.", "retry_in_s": 5.0}
    text = "The model could not be loaded: No network. Next try in 5 s."
    assert shown(line | {"level": "warning"}) == f"Warning: {text}"
    assert shown(line | {"level": "error"}) == f"Error: {text}"
    assert shown(line | {"level": "info"}) == text


def test_colours_are_for_terminals():
    """Warnings are yellow, errors and failed requests of ours red, where colours are wanted."""
    assert "\x1b[33m" in shown({"event": "x", "level": "warning"}, True)
    assert "\x1b[31m" in shown({"event": "x", "level": "error"}, True)
    assert "\x1b[31m" in shown(REQUEST | {"status": 503, "code": "overloaded"}, True)
    assert "\x1b[3" not in shown(REQUEST, True)


def test_an_event_without_a_sentence_loses_nothing():
    """What libraries say, and events with other fields, are shown with all fields."""
    line = {"event": "some_thing", "level": "info", "answer": 42}
    assert shown(line) == "some thing answer=42"
    assert shown({"event": "listening", "level": "info", "port": 1}) == "listening port=1"
    refused = {"event": "model_refused", "level": "info", "reason": "No.", "retry_in_s": None}
    assert shown(refused) == "model refused reason=No. retry_in_s=None"
    assert shown({"event": "Handling signal: term", "level": "info"}) == "Handling signal: term"


def test_a_traceback_is_below_its_line():
    """An exception's lines follow the event's."""
    line = {"event": "unforeseen_error", "level": "error", "kind": "ValueError"}
    assert shown(line | {"exception": "Traceback\nValueError: x"}) == (
        "Error: A fault of topfive: ValueError.\nTraceback\nValueError: x"
    )


def test_control_characters_are_written_out():
    """Nothing in a field can move the cursor or begin a line of its own."""
    line = {"event": "listening", "level": "info", "url": "a\x1b[2J\nb\u202e\u00e9"}
    assert shown(line) == "Listening on a\\x1b[2J\\nb\\u202e\u00e9"


@pytest.mark.parametrize("event", SENTENCES)
def test_sentences_begin_as_sentences_do(event):
    """Every sentence begins with a capital or with a field."""
    assert SENTENCES[event][0].isupper() or SENTENCES[event][0] == "{"
