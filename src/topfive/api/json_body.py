"""JSON that callers send: read strictly, and never at a cost that its size does not explain."""

import json
from binascii import Error as Base64Error
from binascii import a2b_base64
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from topfive.api.fields import may_be_shown, refuse_misfit
from topfive.errors import InvalidParameter, MalformedRequest

ShapeT = TypeVar("ShapeT", bound=BaseModel)

# Each value takes up to a hundred bytes of memory once it is read, however short its text.
_MOST_VALUES = 10_000


def read_json(body: bytes, shape: type[ShapeT], most_values: int = _MOST_VALUES) -> ShapeT:
    """Read a JSON object into `shape`, whose fields must have the very types that it declares.

    Raises MalformedRequest where it is no JSON (RFC 8259), has a member twice, is nested too
    deeply or holds over `most_values` values; InvalidParameter, which names the member, where it
    does not fit.
    """
    found = _parse(body, most_values)
    if not isinstance(found, dict):
        raise InvalidParameter("The body must be a JSON object, as in `{...}`.")
    try:
        return shape.model_validate(found, strict=True)
    except ValidationError as error:
        refuse_misfit(error)


def decode_base64(text: str, name: str) -> bytes:
    """Decode base64 (RFC 4648, section 4), in which line breaks are allowed.

    Raises InvalidParameter, which says that it is in `name`.
    """
    if text.startswith("data:"):
        raise InvalidParameter(f"{name} must be base64 alone: leave out all up to the comma.")
    with suppress(Base64Error, ValueError):
        return a2b_base64(text, strict_mode=True)
    # Looking for line breaks costs a quarter as much as decoding, and hardly anyone sends them.
    with suppress(Base64Error, ValueError):
        return a2b_base64("".join(text.split()), strict_mode=True)
    raise InvalidParameter(
        f"{name} is not base64. Encode the file's bytes with the standard alphabet: "
        "base64 -w0 photo.jpg"
    )


def _parse(body: bytes, most_values: int) -> Any:
    if not body:
        raise MalformedRequest("The body is empty. Send JSON.")
    if body.count(b",") + body.count(b"[") + body.count(b"{") > most_values:
        raise MalformedRequest(f"The JSON holds over {most_values} values.")
    try:
        return json.loads(
            body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_members
        )
    except UnicodeDecodeError:
        raise MalformedRequest("The body is not JSON: it is not UTF-8.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedRequest(f"The body is not JSON. Look at {where}.") from None
    except RecursionError:
        raise MalformedRequest("The JSON is nested too deeply.") from None
    except ValueError:
        # Python reads whole numbers of up to 4,300 digits.
        raise MalformedRequest("The JSON holds a number of too many digits.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRequest(f"The body is not JSON: there is no {name} in it (RFC 8259).")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        twice = _first_repeated([name for name, _ in pairs])
        which = f"`{twice}`" if may_be_shown(twice) else "A member"
        raise MalformedRequest(f"{which} is in the JSON twice. Give it once.")
    return members


def _first_repeated(names: list[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            break
        seen.add(name)
    return name
