"""The log for a person at a terminal: the time, then one plain sentence for each event."""

import time
from collections.abc import MutableMapping
from typing import Any

_Line = MutableMapping[str, Any]

# What each event says; a field in braces is the event's own.
SENTENCES = {
    "starting": "Starting with the model {model}. Workers: {workers}, slots in each: {slots}, "
    "queue of each: {queue} ({reason}).",
    "listening": "Listening on {url}",
    "history_not_checked": "The history's database could not be looked at before the start: "
    "{reason}",
    "history_expired": "{count} predictions were too old, and are deleted from the history.",
    "history_not_expired": "What is too old could not be deleted from the history: {reason}",
    "model_pulling": "Making the bundle of {model}; weights that are not here are downloaded.",
    "model_not_pulled": "The model's bundle could not be brought here: {reason}",
    "model_fetching": "Fetching the bundle of {model} from {store}.",
    "bundle_fetched": "The bundle of {model} {version} has come. Its classes: {classes}.",
    "store_listed": "{store} has {bundles} bundles.",
    "store_not_listed": "The model store could not be listed: {reason} Next try in {retry_in_s:g} "
    "s.",
    "stored_bundle_refused": "A bundle of the store is left out: {reason}",
    "bundle_made": "The bundle of {model} {version} is made. {classes} classes: {first_classes}. "
    "Recipe: {recipe}.",
    "classes_repeated": "More than one class is called {names}.",
    "bundle_not_served": "The bundle in {folder} is not served: {reason}",
    "model_loaded": "The model {model} {version} is loaded: {engine} {precision}.",
    "engine_refused": "{engine} in {precision} is not used for {model}: {reason}",
    "model_refused": "The model could not be loaded: {reason} Next try in {retry_in_s:g} s.",
    "further_model_refused": "{model} is not loaded: {reason}",
    "model_degraded": "{serving} answers in place of {model}: {reason}",
    "model_unavailable": "No model answers: {reason}",
    "fallback_refused": "The fallback model {model} could not be loaded: {reason}",
    "model_not_loaded": "{model} {version} could not be loaded: {reason}",
    "heatmaps_refused": "{model} {version} answers without heatmaps: {reason}",
    "order_refused": "{model} {version} is refused, and what served before goes on: {reason}",
    "state_unavailable": "The state of the models cannot be read or written; what is loaded goes "
    "on serving: {reason}",
    "state_available": "The state of the models can be read again.",
    "canary_rolled_back": "{model} {version} gets no more requests of the route {alias}: {reason}",
    "drift_found": "What {model} {version} predicts has changed: population stability index {psi}, "
    "Kolmogorov-Smirnov distance {ks}.",
    "drift_over": "What {model} {version} predicts is as it was.",
    "live_not_measured": "Live accuracy and drift are not measured for now: {reason}",
    "load_shed": "{count} uploads were refused before they were read: {code}",
    "rate_limit_store_down": "The rate limit's store fails ({kind}): until it is back, no client "
    "is limited.",
    "rate_limit_store_back": "The rate limit's store is back: limits hold again.",
    "cache_on_disk": "Answers are kept on disk, in {folder}: {reason}",
    "cache_down": "The cache's store fails ({kind}): until it is back, every picture is "
    "classified.",
    "cache_back": "The cache's store is back.",
    "cache_entry_dropped": "An entry of the cache was no answer, and is dropped.",
    "history_down": "The history cannot be written; predictions wait until it can: {reason}",
    "history_back": "The history is written again.",
    "history_queue_full": "{waiting} predictions wait for the history; those that come beyond are "
    "not kept.",
    "history_dropped": "{count} predictions are missing in the history: {reason}",
    "worker_stuck": "A prediction has been at work for {oldest_run_s} s: this worker is replaced.",
    "unforeseen_error": "A fault of topfive: {kind}.",
}

_HIDDEN = frozenset({"event", "level", "exception"})
_PREFIXES = {"warning": "Warning: ", "error": "Error: ", "critical": "Error: "}
_COLOURS = {"Warning: ": "33", "Error: ": "31", "4": "33", "5": "31"}


class ConsoleRenderer:
    """Writes an event as a person reads it, with colours where `has_colours`."""

    def __init__(self, has_colours: bool) -> None:
        self._has_colours = has_colours

    def __call__(self, _logger: object, _method: str, line: _Line) -> str:
        """Make the text of one event; a traceback is on lines of its own below it."""
        is_request = line["event"] == "request"
        prefix = "" if is_request else _PREFIXES.get(line["level"], "")
        kind = str(line["status"])[0] if is_request else prefix
        text = self._paint(prefix + printable(_sentence(line)), _COLOURS.get(kind))
        shown = f"{self._paint(time.strftime('%H:%M:%S'), '2')} {text}"
        return f"{shown}\n{line['exception']}" if "exception" in line else shown

    def _paint(self, text: str, colour: str | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colours and colour else text


def _sentence(line: _Line) -> str:
    if line["event"] == "request":
        return _request(line)
    try:
        return SENTENCES[line["event"]].format(**line)
    except (KeyError, TypeError, ValueError):
        return _plain(line)


def _request(line: _Line) -> str:
    """Write a request: `POST /predict 200 14 ms zebra 73%`, or its failure's code."""
    parts = [line["method"], line["route"], str(line["status"])]
    if "code" in line:
        return " ".join([*parts, line["code"]])
    parts.append(_milliseconds(line["duration_ms"]))
    if "top_class" in line:
        parts += [line["top_class"], f"{line['confidence']:.0%}"]
    if "failed" in line:
        parts += [f"pictures: {line['pictures']}, failed: {line['failed']}"]
    return " ".join(parts)


def _milliseconds(duration_ms: float) -> str:
    return f"{duration_ms:.0f} ms" if duration_ms >= 1 else f"{duration_ms:.1f} ms"


def _plain(line: _Line) -> str:
    """Write an event that has no sentence: its words, then its fields."""
    event = str(line["event"])
    words = event.replace("_", " ") if event.isidentifier() else event
    fields = [f"{name}={value}" for name, value in line.items() if name not in _HIDDEN]
    return " ".join([words, *fields])


def printable(text: str) -> str:
    """Write what could steer a terminal, or begin a line, as Python would in quotes."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def printable_lines(text: object) -> str:
    """Write what may quote a file's name, which can hold anything, with its lines as they are."""
    return "\n".join(map(printable, str(text).split("\n")))
