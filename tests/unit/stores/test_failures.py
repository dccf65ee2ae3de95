"""What is told of a store's failures, by what libraries raise."""

import pytest

from topfive.errors import StoreDenied, StoreUnreachable
from topfive.stores.failures import FailureWords, FileMissing, is_login_failure

WORDS = FailureWords("s3://models", "Check the credentials", (Exception,))


class AnsweredError(Exception):
    """As a cloud's library raises it: the status has a name of its own in each."""

    def __init__(self, **told: object) -> None:
        super().__init__("secret")
        self.__dict__ |= told


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AnsweredError(status_code=403), StoreDenied),
        (AnsweredError(code=401), StoreDenied),
        (AnsweredError(status=404), FileMissing),
        (AnsweredError(status_code=500), StoreUnreachable),
        (AnsweredError(code="AccessDenied"), StoreUnreachable),
        (OSError("Forbidden: https://storage.test/b/o\nsecret"), StoreDenied),
        (PermissionError(), StoreDenied),
    ],
)
def test_failures_are_told_apart(error: Exception, kind: type[Exception]) -> None:
    """What is refused, what is missing and what may come later are three things."""
    with pytest.raises(StoreUnreachable) as got, WORDS.told("a"):
        raise error
    assert type(got.value) is kind
    assert "secret" not in str(got.value)


def test_a_refusal_of_who_asks_is_told_from_one_of_what_is_asked() -> None:
    """Credentials that have ended refuse everything; a right that is missing does not."""

    def refused(code: str) -> PermissionError:
        error = PermissionError()
        error.__cause__ = AnsweredError(response={"Error": {"Code": code}})
        return error

    assert is_login_failure(refused("ExpiredToken"))
    assert not is_login_failure(refused("AccessDenied"))
    assert not is_login_failure(None)
