"""What a database's own errors mean, by the words that the databases' own libraries use."""

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from topfive.history.failures import HistoryUnusable, explain

_CONNECTION = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f'{_CONNECTION}root certificate file "/home/me/.postgresql/root.crt" does not exist',
            "is to be checked by a root certificate that cannot be read",
        ),
        (
            f"{_CONNECTION}SSL error: certificate verify failed",
            "has no certificate that is trusted for its host",
        ),
        (
            f'{_CONNECTION}server certificate for "db" does not match host name "127.0.0.1"',
            "has no certificate that is trusted for its host",
        ),
        (
            f"{_CONNECTION}server does not support SSL, but SSL was required",
            "has no TLS, which its address asks for",
        ),
    ],
)
def test_tls_that_cannot_be_is_no_outage(text: str, words: str) -> None:
    """No waiting makes a certificate right: it is said what is wrong, without names."""
    told = explain(OperationalError(None, None, psycopg.OperationalError(text)))
    assert isinstance(told, HistoryUnusable)
    assert str(told) == f"The history's database {words}."
