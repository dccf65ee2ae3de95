"""What all of `topfive models` takes: where the service is, its key, and which model is meant."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import click

from topfive.bundles.versions import ModelReference, parse_reference
from topfive.cli.models.client import ServiceClient
from topfive.errors import OperatorError
from topfive.settings import look_at_settings, read_api_key

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

# Where a service listens that is told to listen everywhere.
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - it is asked, not listened on
_NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}"
_VERSION = rf"sha256:[0-9a-f]{{12,64}}|{_NAME}"
_TARGET = re.compile(
    rf"(?P<model>{_NAME})(?:@(?P<version>{_VERSION}))?(?::(?P<weight>[0-9]{{1,7}}|shadow))?"
)
_MAX_WEIGHT = 1_000_000


class TargetReference(NamedTuple):
    """A model of a route; `weight` is None where none is given, and `shadow` for a shadow."""

    model: str
    version: str | None
    weight: int | str | None


class AliasType(click.ParamType[str]):
    """The alias of a route."""

    name = "ALIAS"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Check the text; what is wrong with it is wrong usage."""
        if not re.fullmatch(_NAME, value):
            self.fail(f"{value!r} is no alias: it begins with a letter or digit.", param, ctx)
        return value


class ReferenceType(click.ParamType[ModelReference]):
    """A model as `NAME` or `NAME@VERSION`."""

    name = "NAME[@VERSION]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read the text; what is wrong with it is wrong usage."""
        try:
            return parse_reference(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}.", param, ctx)


class TargetType(click.ParamType[TargetReference]):
    """A model of a route, with its weight: `NAME@VERSION:WEIGHT`."""

    name = "NAME[@VERSION][:WEIGHT]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read the text; what is wrong with it is wrong usage."""
        match = _TARGET.fullmatch(value)
        if match is None:
            self.fail(
                f"{value!r} is no target: write NAME@VERSION:WEIGHT, or NAME@VERSION:shadow.",
                param, ctx,
            )  # fmt: skip
        weight = match["weight"]
        if weight is None or weight == "shadow":
            return TargetReference(match["model"], match["version"], weight)
        if int(weight) > _MAX_WEIGHT:
            self.fail(f"{value!r}: a weight is at most {_MAX_WEIGHT}.", param, ctx)
        return TargetReference(match["model"], match["version"], int(weight))


class UrlType(click.ParamType[str]):
    """The address of a service."""

    name = "URL"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Check that it is an address, and take slashes at its end away."""
        try:
            parts = urlsplit(value)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
            is_address = is_address and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address or not value.isascii() or not value.isprintable() or " " in value:
            self.fail(f"{value!r} is no address: write http://HOST:PORT.", param, ctx)
        return value.rstrip("/")


def of_service(command: CommandT) -> CommandT:
    """Give a command the options that say which service is meant, and how it answers."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the service's answer as JSON."),
        click.option("--key", help="An API key with the scope `admin`. [default: TOPFIVE_API_KEY]"),
        click.option("--url", type=UrlType(), help="Where the service is. [default: "
                     "http://127.0.0.1 and TOPFIVE_PORT]"),
    ):  # fmt: skip
        command = option(command)
    return command


def open_client(url: str | None, key: str | None) -> ServiceClient:
    """Make the client of the service that is meant; raises OperatorError where none can be."""
    return ServiceClient(url or _default_url(), read_api_key() if key is None else key)


def _default_url() -> str:
    settings = look_at_settings().settings
    if settings.port == 0:
        raise OperatorError("TOPFIVE_PORT=0 means any free port. Name the service with --url.")
    host = "127.0.0.1" if settings.host in _EVERYWHERE else settings.host
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
