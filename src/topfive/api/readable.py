"""The same answers for a person: a page in place of JSON where a browser asks for one."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flask import Response, render_template, request
from pydantic import BaseModel

from topfive import __version__
from topfive.api.request import current_service
from topfive.api.schemas import HealthOut, InfoOut, Problem

# Nothing inline and nothing from elsewhere; blob: is for the preview of a chosen picture.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# JSON first: it is what callers get who take anything, such as curl.
_FORMS = ("application/json", "application/problem+json", "text/html")
_MODELS = {"mobilenet_v2": "MobileNetV2", "resnet50": "ResNet-50"}
_LABELS = {
    "imagenet_top1": "Top-1 accuracy on ImageNet",
    "imagenet_top5": "Top-5 accuracy on ImageNet",
    "max_pixels": "Largest picture",
    "max_upload_bytes": "Largest upload",
    "num_classes": "Classes",
    "request_timeout_s": "Time for a request",
    "sha256": "SHA-256 of the weights",
    "std": "Standard deviation",
    "uptime_seconds": "Up for",
}


class Fact(NamedTuple):
    """One thing that is told, in words."""

    label: str
    value: str


class Section(NamedTuple):
    """Facts that belong together."""

    title: str
    facts: list[Fact]


def readable_model(name: str) -> str:
    """Write a model's name as people do; a model of one's own has the name it was given."""
    return _MODELS.get(name, name)


def in_either_form(answer: Response, make_page: Callable[[], str]) -> Response:
    """Put a page in place of an answer's JSON where a browser asks; all else of it stays.

    Only GET and HEAD are asked by browsers' address bars: other calls keep JSON.
    """
    if request.method not in ("GET", "HEAD"):
        return answer
    answer.vary.add("Accept")
    return as_page(answer, make_page()) if prefers_page() else answer


def prefers_page() -> bool:
    """Tell whether the request asks for HTML rather than JSON; `*/*` asks for neither."""
    # The look at the text keeps probes cheap.
    if "text/html" not in request.headers.get("Accept", ""):
        return False
    return request.accept_mimetypes.best_match(_FORMS) == "text/html"


def as_page(answer: Response, html: str) -> Response:
    """Give an answer HTML as its body, and the policy that goes with it."""
    answer.set_data(html)
    answer.mimetype = "text/html"
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


def render(template: str, **values: object) -> str:
    """Render one of the pages; the foot of all tells the version, and leads to the review."""
    has_history = current_service().history.is_on
    return render_template(
        template, name="topfive", version=__version__, has_history=has_history, **values
    )


def info_page(out: InfoOut) -> str:
    """Tell what /info tells."""
    return render("info.html", sections=sections(out.model_dump()), raw=_indent(out))


def health_page(out: HealthOut, desired: str) -> str:
    """Tell what /health tells."""
    return render(
        "health.html",
        health=out,
        model=readable_model(out.model),
        desired=readable_model(desired),
        facts=[
            Fact("Model", readable_model(out.model)),
            Fact("Version", out.model_version or "none is loaded"),
            Fact("Up for", in_words("uptime_seconds", out.uptime_seconds)),
            Fact("Asked at", f"{out.timestamp:%Y-%m-%d %H:%M:%S} UTC"),
        ],
        raw=_indent(out),
    )


def problem_page(problem: Problem) -> str:
    """Tell of a failure what its problem+json tells."""
    return render("problem.html", problem=problem)


def sections(out: Mapping[str, Any]) -> list[Section]:
    """Sort an answer into sections: one for each object in it, and last its own plain values."""
    own, *inner = _sections("service", out)
    return [one for one in (*inner, own) if one.facts]


def _sections(name: str, fields: Mapping[str, Any]) -> list[Section]:
    inner = {key: value for key, value in fields.items() if isinstance(value, Mapping)}
    plain = [Fact(_label(key), in_words(key, fields[key])) for key in fields if key not in inner]
    below = [section for key, value in inner.items() for section in _sections(key, value)]
    return [Section(_label(name), plain), *below]


def in_words(name: str, value: Any) -> str:  # noqa: PLR0911 - a table of cases
    """Say one value as its field's name says what it is."""
    if value is None:
        return "none"
    if name in ("name", "wanted_model"):
        return readable_model(value)
    if isinstance(value, list | tuple):
        return ", ".join(in_words("", one) for one in value) or "none"
    if isinstance(value, Mapping):
        return "; ".join(f"{_label(key)}: {in_words(key, one)}" for key, one in value.items())
    if name.endswith("_bytes"):
        return f"{value / 1024**2:g} MB"
    if name.endswith("_pixels"):
        return f"{value / 1e6:g} megapixels"
    if name.endswith("_seconds"):
        return _duration(int(value))
    if name.endswith("_s"):
        return f"{value:g} s"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _duration(seconds: int) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def _indent(out: BaseModel) -> str:
    return json.dumps(json.loads(out.model_dump_json()), indent=2)
