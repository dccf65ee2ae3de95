"""Every way a call can fail, as one tree; each has a word as its `code`.

ClientError
├── Refused            the service says why not, by one of its own codes
├── Unreachable        no answer: nothing listens, or the connection broke     unreachable
├── TimeExceeded       no answer in the time that the caller has set           time_exceeded
├── NotTopfive         an answer, but not from topfive                         not_topfive
└── UnreadablePicture  the file cannot be read, so nothing was sent            unreadable_file
"""

from typing import Any, TypeVar

# What the service says of itself, not of a picture, and what passes.
_PASSING_CODES = frozenset({"rate_limited", "overloaded", "shutting_down"})
# What something before the service answers while that is away or busy.
_PASSING_STATUSES = frozenset({429, 502, 503})
# What a picture alone is the cause of: another one may well be classified.
_PICTURE_CODES = frozenset(
    {
        "deadline_exceeded",
        "empty_file",
        "file_too_large",
        "image_too_large",
        "internal_error",
        "invalid_image",
        "missing_file",
        "out_of_memory",
        "unsupported_format",
        "upload_too_slow",
    }
)

ErrorT = TypeVar("ErrorT", bound="ClientError")


class ClientError(Exception):
    """A call without a result; `detail` is a sentence for people, `code` the word to act on.

    `retry_after_s` is how long to wait where the service says so, `may_pass` whether the same call
    may succeed later, and `is_of_picture` whether another picture may succeed at once.
    """

    code: str = "client_error"
    may_pass: bool = False
    is_of_picture: bool = False

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        self.detail = detail
        self.retry_after_s = retry_after_s
        super().__init__(f"{detail} ({self.code})")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it come out of another process as it was, as from a pool of them."""
        return _restore, (type(self), self.args, vars(self))


class Refused(ClientError):
    """The service has answered with a failure.

    `status` is the HTTP status, None for one picture of a batch. `request_id` finds the request in
    the service's log; it is empty where there is none.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.code = code
        self.status = status
        self.request_id = request_id
        self.may_pass = retry_after_s is not None or code in _PASSING_CODES
        self.is_of_picture = code in _PICTURE_CODES
        super().__init__(detail, retry_after_s=retry_after_s)


class Unreachable(ClientError):
    """There is no answer: nothing listens there, or the connection broke before it was whole."""

    code = "unreachable"

    def __init__(self, detail: str, *, may_pass: bool = True) -> None:
        self.may_pass = may_pass
        super().__init__(detail)


class TimeExceeded(ClientError):
    """The answer was not whole in the time that the caller has set."""

    code = "time_exceeded"


class NotTopfive(ClientError):
    """What answers is not topfive, or of a version that this client does not know.

    `status` is the HTTP status, None where there is none.
    """

    code = "not_topfive"

    def __init__(
        self, detail: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        self.status = status
        self.may_pass = status in _PASSING_STATUSES
        super().__init__(detail, retry_after_s=retry_after_s)


class UnreadablePicture(ClientError):
    """A picture file cannot be read; its cause is the OSError."""

    code = "unreadable_file"
    is_of_picture = True


def _restore(kind: type[ErrorT], arguments: tuple[Any, ...], told: dict[str, Any]) -> ErrorT:
    error = kind.__new__(kind, *arguments)
    vars(error).update(told)
    return error
