"""Tells whether a request comes from this machine itself: from its command line, not a web page."""

import re
from ipaddress import IPv6Address, ip_address

from flask import Request

# Whoever adds one of these speaks for somebody else.
_PROXY_HEADERS = (
    "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP",
    "CF-Connecting-IP", "True-Client-IP",
)  # fmt: skip
_LOOPBACK_HOST = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?")
# What a browser says of a request that no other site has caused.
_OWN_SITES = frozenset({"same-origin", "none"})


def is_local(incoming: Request) -> bool:
    """Tell whether a request is from this machine, by no proxy, and caused by no page elsewhere.

    A proxy that gives no sign of itself is not recognised: decision 24.
    """
    return (
        is_loopback(incoming.remote_addr or "")
        and not _came_by_proxy(incoming)
        and _names_loopback(incoming)
        and not _was_caused_elsewhere(incoming)
    )


def is_loopback(address: str) -> bool:
    """Tell whether an address is of the machine itself; no for what is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def _came_by_proxy(incoming: Request) -> bool:
    # nginx, as older versions are set by default, tells nothing of its clients, in HTTP/1.0.
    is_old = incoming.environ.get("SERVER_PROTOCOL") == "HTTP/1.0"
    return is_old or any(name in incoming.headers for name in _PROXY_HEADERS)


def _names_loopback(incoming: Request) -> bool:
    """Tell whether the host asked for is this machine: a page may have its own name mean it."""
    return bool(_LOOPBACK_HOST.fullmatch(incoming.headers.get("Host", "")))


def _was_caused_elsewhere(incoming: Request) -> bool:
    site = incoming.headers.get("Sec-Fetch-Site", "none")
    own = f"{incoming.scheme}://{incoming.headers.get('Host', '')}"
    return site not in _OWN_SITES or incoming.headers.get("Origin", own) != own
