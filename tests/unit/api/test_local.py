"""Which requests come from this machine itself."""

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from topfive.api.local import is_local


def request_of(
    address: str | None = "127.0.0.1",
    host: str = "127.0.0.1:5000",
    protocol: str = "HTTP/1.1",
    **headers: str,
) -> Request:
    """Make a request as a client at `address` sends it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    environ = EnvironBuilder(method="POST", headers={**named, "Host": host}).get_environ()
    environ["SERVER_PROTOCOL"] = protocol
    if address is None:
        environ.pop("REMOTE_ADDR", None)
    else:
        environ["REMOTE_ADDR"] = address
    return Request(environ)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"address": "127.8.9.10"},
        {"address": "::1", "host": "[::1]:5000"},
        {"address": "::ffff:127.0.0.1"},
        {"host": "localhost:5000"},
        {"host": "localhost"},
        {"Origin": "http://localhost:5000", "host": "localhost:5000"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://127.0.0.1:5000"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_a_command_on_this_machine_is_local(given: dict[str, str]) -> None:
    """A direct request to a loopback address, or by the service's own page there, is local."""
    assert is_local(request_of(**given))


@pytest.mark.parametrize(
    "given",
    [
        {"address": "192.0.2.7"},
        {"address": "::ffff:192.0.2.7"},
        {"address": "2001:db8::1"},
        {"address": "10.0.0.4"},
        {"address": "172.17.0.1"},
        {"address": ""},
        {"address": None},
        {"address": "localhost"},
    ],
)
def test_another_machine_is_not_local(given: dict[str, str]) -> None:
    """Any other address is elsewhere, that of a container's network too, as is what is none."""
    assert not is_local(request_of(**given))


@pytest.mark.parametrize(
    "given",
    [
        {"X_Forwarded_For": "127.0.0.1"},
        {"X_Forwarded_For": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"X_Real_IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"X_Forwarded_Proto": "https"},
        {"X_Forwarded_Host": "localhost"},
        {"CF_Connecting_IP": "192.0.2.7"},
        {"protocol": "HTTP/1.0"},
    ],
)
def test_what_comes_by_a_proxy_is_not_local(given: dict[str, str]) -> None:
    """A proxy on this machine has a loopback address, and whoever it speaks for has not."""
    assert not is_local(request_of(**given))


@pytest.mark.parametrize(
    "given",
    [
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "https://127.0.0.1:5000"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        # A page of example.org whose name was made to mean 127.0.0.1: all is of one origin.
        {"host": "example.org:5000", "Origin": "http://example.org:5000"},
        {"host": "localhost.example.org"},
        {"host": "127.0.0.1.example.org:5000"},
        {"host": "127.0.0.1@example.org"},
        {"host": "[::1"},
        {"host": ""},
    ],
)
def test_what_a_page_of_another_site_causes_is_not_local(given: dict[str, str]) -> None:
    """A page in this machine's browser can send requests here, and is not to give orders."""
    assert not is_local(request_of(**given))
