"""What the event loop needs of HTTP; `adapter` has Gunicorn do it."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from topfive.route_table import Route, Work

if TYPE_CHECKING:
    from topfive.server.connection import Connection


class BrokenRequest(ValueError):
    """A request's head or body is not HTTP."""


class Outcome(Enum):
    """What becomes of a connection after an answer."""

    KEEP = "keep"
    CLOSE = "close"
    LINGER = "linger"  # the client may be sending still: it is heard to its end
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Head:
    """A parsed head; `body_bytes` is None where the body comes in chunks.

    The body may have `most_body_bytes`; None: as many as that of any route.
    """

    work: Work
    body_bytes: int | None
    wants_continue: bool
    origin: str
    message: Any
    route: Route | None = None
    most_body_bytes: int | None = None


class Http(Protocol):
    """Parses heads and has the app answer."""

    def parse_head(self, data: bytes, conn: "Connection") -> Head:
        """Parse a head; raises BrokenRequest."""
        ...

    def answer(self, conn: "Connection", may_keep: bool) -> Outcome:
        """Have the app answer the request that was taken; its bytes wait for `flush`.

        Raises BrokenRequest for a body that is not HTTP, and whatever the app raises.
        """
        ...
