"""Writes the documents that repeat declarations: settings, failures and `.env.example`.

`python docs/generate.py` writes them; with `--check` it only says which are out of step.
"""

import sys
from pathlib import Path

from topfive.errors import FAILURES, Failure
from topfive.route_table import ROUTES, Route, Work
from topfive.settings import STANDARD_NAMES, Settings, variable_name

ROOT = Path(__file__).parent.parent

WHAT_TO_DO = {
    "missing_file": "Send a multipart part called `file`, or the bytes with an `image/*` type.",
    "empty_file": "Send the picture's bytes; check the path that you gave to curl.",
    "unsupported_format": "Send JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF; `detail` names what came.",
    "invalid_image": "Open the picture on your side and save it again.",
    "invalid_parameter": "Correct the field that `detail` names, or leave it away.",
    "malformed_request": "Let a library build the request: `curl -F file=@photo.jpg`.",
    "heatmap_unavailable": "Leave `explain` out, or do what `detail` says.",
    "unauthorized": "Send a valid key as `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
    "forbidden": "Use a key that has the scope which `detail` names, or call from that machine.",
    "not_found": "See `GET /` for the addresses that exist.",
    "model_not_found": "Leave `model` and `version` out, or take one that `detail` names.",
    "method_not_allowed": "Use the method that `detail` names: POST for `/predict`.",
    "upload_too_slow": "Try again over a faster connection, or send a smaller file.",
    "model_busy": "Do what `detail` says: wait until a change is done, or change a route first.",
    "file_too_large": "Send a smaller file; `GET /info` has the limit.",
    "batch_too_large": "Send several smaller batches; `GET /info` has the limits.",
    "image_too_large": "Send a picture with fewer pixels; `GET /info` has the limit.",
    "not_acceptable": "Ask for another form, or install what this one needs.",
    "unsupported_media_type": "Send `multipart/form-data`, or `image/*` with the bytes alone.",
    "model_refused": "Correct what `detail` names: the bundle, or the memory that models may take.",
    "rate_limited": "Wait as many seconds as `Retry-After` says.",
    "client_disconnected": "It is never sent. Keep the connection open until the answer is there.",
    "internal_error": "Try again; if it stays, look for the request id in the service's log.",
    "overloaded": "Wait as many seconds as `Retry-After` says; if it stays, add CPUs.",
    "model_unavailable": "Wait as `Retry-After` says; `GET /health` has the reason.",
    "shutting_down": "Try again at once; another instance answers.",
    "history_unavailable": "Wait as many seconds as `Retry-After` says; the log says more.",
    "out_of_memory": "Send a smaller picture, or a JPEG: it takes the least memory.",
    "deadline_exceeded": "Try again; if it stays, the service needs more CPUs.",
}

_GENERATED = "Written by `make docs` from the code; do not edit."


def settings_document() -> str:
    """Make docs/settings.md."""
    rows = [
        f"| `{variable_name(name)}` | {_shown_default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    standard = ", ".join(
        f"`{name}` (for `{variable_name(field)}`)" for name, field in STANDARD_NAMES.items()
    )
    return "\n".join(
        [
            "# Settings",
            "",
            f"<!-- {_GENERATED} -->",
            "",
            "Every setting is an environment variable, or a line in a file `.env` in the",
            "directory where topfive starts; the environment wins. A variable that begins with",
            "`TOPFIVE_` and is not in this table, or has a value that makes no sense, stops the",
            "start: all such variables are named at once.",
            "",
            f"Names that platforms set are read too: {standard}.",
            "",
            "| variable | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def env_example() -> str:
    """Make .env.example."""
    lines = [f"# {_GENERATED}", "# Copy to .env and take away the # of what you change.", ""]
    for name, field in Settings.model_fields.items():
        lines += [f"# {field.description}", f"#{variable_name(name)}={_default(name)}", ""]
    return "\n".join(lines)


def errors_document() -> str:
    """Make docs/errors.md; raises LookupError that names every failure without advice."""
    without = FAILURES.keys() ^ WHAT_TO_DO.keys()
    if without:
        raise LookupError(f"WHAT_TO_DO and topfive.errors differ in: {', '.join(sorted(without))}")
    parts = [
        "# Failures",
        "",
        f"<!-- {_GENERATED} -->",
        "",
        "Every failure is answered as `application/problem+json` (RFC 9457). `code` is one of",
        "these words; the log line of the request has the same.",
        "",
    ]
    for code, failure in FAILURES.items():
        parts += [f"## {code}", "", f"Status {failure.status}: *{failure.title}*", ""]
        parts += [f"{_meaning(failure)} {WHAT_TO_DO[code]}".lstrip(), ""]
    return "\n".join(parts)


def api_document() -> str:
    """Make docs/API.md: what stands there, with the table of routes between its two marks."""
    text = (ROOT / "docs" / "API.md").read_text("utf-8")
    before, begin, rest = text.partition(f"<!-- routes: {_GENERATED} -->\n")
    _, end, after = rest.partition("<!-- end of routes -->\n")
    rows = [_route_row(one) for one in ROUTES if not one.is_reserved]
    table = ["", "| route | scope | pictures | body |", "|---|---|---|---|", *rows, "", ""]
    return before + begin + "\n".join(table) + end + after


def _route_row(route: Route) -> str:
    counted = "each" if route.counts_body else str(route.pictures or "")
    body = route.body.value if route.work is Work.PREDICTION else ""
    cells = [f"`{route.method} {route.path}`", f"`{route.scope}`" if route.scope else ""]
    return "| " + " | ".join([*cells, counted, body]) + " |"


DOCUMENTS = {
    "docs/API.md": api_document,
    "docs/settings.md": settings_document,
    ".env.example": env_example,
    "docs/errors.md": errors_document,
}


def main(arguments: list[str]) -> int:
    """Write the documents, or with --check name those that differ; returns the exit code."""
    differing = []
    for name, make in DOCUMENTS.items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text("utf-8") == text:
            continue
        differing.append(name)
        if "--check" not in arguments:
            path.write_text(text, "utf-8")
    if differing and "--check" in arguments:
        sys.stderr.write(f"Out of step: {', '.join(differing)}. Run `make docs`.\n")
        return 1
    return 0


def _meaning(failure: type[Failure]) -> str:
    """Take the first line of a failure's docstring, unless its title says the same."""
    meaning = (failure.__doc__ or "").splitlines()[0]
    return "" if meaning == failure.title else meaning


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    return "" if value is None else str(value)


def _shown_default(name: str) -> str:
    return f"`{_default(name)}`" if _default(name) else "empty"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
