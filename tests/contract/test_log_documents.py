"""What documents say of the log agrees with what is logged: events, levels and fields."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from tests.contract.test_operations_doc import rows
from topfive.predictions import CacheStatus, ClassScore, ImageInfo, ModelRef, Prediction, Timings
from topfive.telemetry.access import AccessRecord, BatchCounts, _fields
from topfive.telemetry.console import SENTENCES
from topfive.telemetry.logs import _shape_for_clouds
from topfive.telemetry.traces import UntracedRequest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception", "log"})
ON_EVERY_LINE = {"event", "severity", "time", "message"}


def calls_on_loggers() -> Iterator[tuple[str, str, set[str]]]:
    """Give the name, level and fields of everything that topfive logs, from its source."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            is_logger = ast.unparse(node.func.value).endswith(("get_logger()", "logger"))
            if not is_logger or node.func.attr not in LEVELS:
                continue
            texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
            assert texts, f"{path}:{node.lineno} logs an event whose name is not written there"
            yield str(texts[0]), node.func.attr, fields_of(node)


def fields_of(call: ast.Call) -> set[str]:
    """Name the fields that one call gives an event."""
    named = {one.arg for one in call.keywords if one.arg}
    has_traceback = "exc_info" in named or getattr(call.func, "attr", "") == "exception"
    return (named - {"exc_info"}) | ({"exception"} if has_traceback else set())


def events() -> dict[str, tuple[set[str], set[str]]]:
    """Give the levels and the fields of each event but `request`, by its name."""
    levels: defaultdict[str, set[str]] = defaultdict(set)
    fields: defaultdict[str, set[str]] = defaultdict(set)
    for name, level, given in calls_on_loggers():
        if name != "request":
            levels[name].add({"exception": "error"}.get(level, level))
            fields[name] |= given
    return {name: (levels[name], fields[name]) for name in levels}


def request_fields() -> set[str]:
    """Name the fields of a request's line, of a prediction and of a failure together."""
    prediction = Prediction(
        ModelRef("tiny", "1"),
        (ClassScore(0, "zebra", 0.7),),
        ImageInfo("JPEG", 1, 1),
        Timings(0.0, 0.0, 0.0, 0.0, 0.0),
        cache=CacheStatus.HIT,
    )
    record = AccessRecord(
        "/predict",
        "POST",
        200,
        "code",
        "id",
        1.0,
        prediction,
        UntracedRequest("trace"),
        (prediction,),
        BatchCounts(prediction.model),
    )
    line = {"event": "request", "level": "info", **_fields(record)}
    return set(_shape_for_clouds(None, "", line))


def documented(cell: str) -> set[str]:
    """Name what a cell of a table names."""
    return set(re.findall(r"\w+", cell))


def test_every_event_is_explained() -> None:
    """The table of events has every event, with its level and all its fields, and no other."""
    table = {row[0]: row for row in rows("| event | level | fields | what to do |")}
    logged = events()
    assert len(logged) > 10
    assert table.keys() == logged.keys() | {"request"}
    for name, (levels, fields) in logged.items():
        assert (name, {table[name][1]}) == (name, levels)
        assert (name, documented(table[name][2])) == (name, fields)


def test_every_field_of_a_request_is_explained() -> None:
    """The table of fields has those of a request's line, and no other."""
    table = [documented(row[0]) for row in rows("| field | meaning |")]
    assert set().union(*table) == request_fields()


def test_every_event_has_a_sentence_for_people() -> None:
    """The console's sentences are those of the events, and use no field that an event lacks."""
    logged = events()
    assert SENTENCES.keys() == logged.keys()
    for name, sentence in SENTENCES.items():
        used = {field for _, field, _, _ in Formatter().parse(sentence) if field}
        assert used <= logged[name][1], name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_only_what_is_logged(path: Path) -> None:
    """Examples, queries and sentences about the log use events and fields that exist."""
    text = path.read_text()
    logged = events()
    fields = ON_EVERY_LINE | request_fields() | set().union(*(one for _, one in logged.values()))
    named = set(re.findall(r"(?:jsonPayload|json_payload, '\$?|\bline)\.(\w+)", text))
    named |= set(re.findall(r"JSON_VALUE\(json_payload\.(\w+)", text))
    for example in re.findall(r"```json\n(\{.*?)```", text, re.DOTALL):
        if '"event"' in example:
            named |= json.loads(example).keys()
    named |= set(re.findall(r"`(\w+)` in the event", text))
    assert named - fields == set()
    told = set(re.findall(r"`(\w+)` in the log\b", text))
    told |= set(re.findall(r"\bevents? `(\w+)`", text))
    assert told - logged.keys() - {"request"} - fields == set()
