"""Which API key a request carries, and what it may do."""

from collections.abc import Callable
from typing import cast

from flask import Flask, current_app, g, request

from topfive.api.local import is_local
from topfive.api.request import current_route
from topfive.auth.keyfile import KeyFile
from topfive.auth.keys import ApiKey, ApiKeys, NoApiKeys
from topfive.errors import Forbidden
from topfive.settings import Settings

ROUTE_KEY_HEADER = "X-Route-Key"
_EXTENSION = "topfive.keys"
_HOW_TO_ALLOW = (
    "As no API keys are set, this is for the machine itself alone, at 127.0.0.1 and by no proxy. "
    "Set a key with the scope 'admin', and send it."
)


def mount_keys(app: Flask, settings: Settings) -> None:
    """Make the API keys that are set known to the views."""
    sources: list[Callable[[], tuple[ApiKey, ...]]] = []
    if settings.accepted_keys:
        sources.append(lambda: settings.accepted_keys)
    if settings.api_keys_file:
        sources.append(KeyFile(settings.api_keys_file))
    app.extensions[_EXTENSION] = ApiKeys(*sources) if sources else NoApiKeys()


def check_keys(app: Flask) -> None:
    """Ask for the key that a route needs, before its query and its body are looked at."""
    app.before_request(_check_scope)


def _check_scope() -> None:
    route = current_route() if request.url_rule else None
    if route is None or not route.scope:
        return
    if route.is_private and not keys_are_asked() and not is_local(request):
        raise Forbidden(_HOW_TO_ALLOW)
    require_scope(route.scope)


def keys_are_asked() -> bool:
    """Tell whether API keys are asked for at all."""
    return isinstance(_keys(), ApiKeys)


def has_unknown_key() -> bool:
    """Tell whether API keys are asked for, and the request carries one that is not known."""
    return keys_are_asked() and bool(_presented_key()) and recognised_key() is None


def recognised_key() -> ApiKey | None:
    """Find the request's API key, once a request; None for one that is not known, or none."""
    if "api_key" not in g:
        g.api_key = _keys().find(_presented_key())
    return cast("ApiKey | None", g.api_key)


def require_scope(scope: str) -> None:
    """Raise Unauthorized or Forbidden unless the request's API key allows `scope`."""
    _keys().check(recognised_key(), scope)


def route_key() -> str:
    """Tell by what a caller keeps getting the same target of a route; empty for one without.

    It is the header `X-Route-Key`, or else the digest of the request's API key.
    """
    key = recognised_key()
    return request.headers.get(ROUTE_KEY_HEADER) or (key.digest if key else "")


def _presented_key() -> str:
    """Return the API key that the request carries, in either header; empty without one."""
    environ = request.environ
    bearer = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = bearer[2].strip() if bearer[0].lower() == "bearer" else None
    presented: str = token or environ.get("HTTP_X_API_KEY", "")
    # Header bytes reach a WSGI app as latin-1; a key may be any text.
    return presented.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _keys() -> ApiKeys | NoApiKeys:
    return cast("ApiKeys | NoApiKeys", current_app.extensions[_EXTENSION])
