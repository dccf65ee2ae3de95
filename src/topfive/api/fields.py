"""The named fields of a request, from its query and its form alike, read into a declared shape."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from topfive.errors import InvalidParameter

ShapeT = TypeVar("ShapeT", bound=BaseModel)
Pair = tuple[str, str]

# Longer texts of a caller's are not repeated to it.
_MOST_SHOWN_CHARACTERS = 40
# What could end the quotes in a message, or mean something to a page that shows it.
_NEVER_SHOWN = frozenset("`'\"<>&")
# By pydantic's names of errors, docs.pydantic.dev/latest/errors/validation_errors.
_PROBLEMS = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "string_too_long": "is too long",
    "too_long": "has too many entries",
    "too_short": "has too few entries",
    "string_pattern_mismatch": "has a form that it cannot have",
}


def read_fields(shape: type[ShapeT], given: Iterable[Pair]) -> ShapeT:
    """Read fields, each a name and its text, into `shape`.

    Raises InvalidParameter, which names the field, for one that `shape` does not have, that has
    two different values, or whose value does not fit.
    """
    values: dict[str, str] = {}
    known = _names(shape)
    for name, text in given:
        if name not in known:
            raise InvalidParameter(_unknown(name, known))
        if values.setdefault(name, text) != text:
            raise InvalidParameter(f"`{name}` is given twice, with different values. Give it once.")
    try:
        return shape(**values)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        name = str(wrong[0]["loc"][0])
        raise InvalidParameter(_misfit(shape, name, values[name])) from None


def read_members(shape: type[ShapeT], given: Mapping[str, Any]) -> ShapeT:
    """Read members of a JSON object, texts and numbers, into `shape`, as `read_fields` does."""
    return read_fields(
        shape,
        [(name, one if isinstance(one, str) else json.dumps(one)) for name, one in given.items()],
    )


def refuse_misfit(error: ValidationError) -> NoReturn:
    """Refuse what does not fit a shape that the framework has read, not in the library's words.

    Raises InvalidParameter, which names the field where its name can be shown.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(one) for one in first["loc"])
    subject = f"`{name}`" if name and may_be_shown(name) else "What was sent"
    problem = _PROBLEMS.get(first["type"], "does not fit")
    raise InvalidParameter(f"{subject} {problem}. See /docs for what this address takes.") from None


@cache
def declared_fields(shape: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Look up the JSON schema of each field; of one that may be absent, as it is where given.

    pydantic's title is left out: it is the name in other letters.
    """
    properties = shape.model_json_schema()["properties"]
    return {name: _where_given(one) for name, one in properties.items()}


def may_be_shown(text: str) -> bool:
    """Tell whether a caller's text is short and plain enough to be repeated in an answer."""
    return (
        len(text) <= _MOST_SHOWN_CHARACTERS and text.isprintable() and _NEVER_SHOWN.isdisjoint(text)
    )


@cache
def _names(shape: type[BaseModel]) -> tuple[str, ...]:
    """List what fields are called by callers."""
    return tuple(field.alias or name for name, field in shape.model_fields.items())


def _unknown(name: str, known: tuple[str, ...]) -> str:
    listed = f"{', '.join(f'`{one}`' for one in known[:-1])} and `{known[-1]}`"
    if not may_be_shown(name):
        return f"A field is not known; its name cannot be shown here. Known are {listed}."
    near = get_close_matches(name.lower(), known, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else f"Known are {listed}."
    return f"`{name}` is not known. {hint}"


def _misfit(shape: type[BaseModel], name: str, text: str) -> str:
    shown = f", not '{text}'" if may_be_shown(text) else ""
    return f"`{name}` must {_requirement(declared_fields(shape)[name])}{shown}."


def _requirement(declared: dict[str, Any]) -> str:
    """Say in words what a field's JSON schema asks for."""
    kind = declared.get("type")
    if kind == "integer":
        return f"be a whole number from {declared['minimum']} to {declared['maximum']}"
    if kind == "number":
        return f"be a number from {declared['minimum']:g} to {declared['maximum']:g}"
    return "be `true` or `false`" if kind == "boolean" else _required_text(declared)


def _required_text(declared: dict[str, Any]) -> str:
    choices = declared.get("enum", [declared["const"]] if "const" in declared else [])
    if choices:
        return f"be {' or '.join(f'`{one}`' for one in choices)}"
    if "examples" in declared:
        return f"be written like `{declared['examples'][0]}`"
    return f"have at most {declared['maxLength']} characters"


def _where_given(declared: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = declared.get("anyOf", [declared])[0]
    beside = {key: one for key, one in declared.items() if key in ("description", "examples")}
    return {key: value for key, value in (first | beside).items() if key != "title"}
