"""What the body of a batch holds: fields, then pictures; and how much of it is kept in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from topfive.api.fields import may_be_shown
from topfive.errors import BatchTooLarge, Failure, FileTooLarge, InvalidParameter

MAX_FIELD_BYTES = 1000


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How many pictures a batch may have, and how many bytes it and each of them."""

    most_pictures: int
    most_bytes: int
    most_picture_bytes: int

    def check_count(self, pictures: int) -> None:
        """Raise BatchTooLarge if `pictures` are too many."""
        if pictures > self.most_pictures:
            raise BatchTooLarge(
                f"The batch has over {self.most_pictures} pictures. Send several batches."
            )

    def check_length(self, count: int) -> None:
        """Raise BatchTooLarge if a body of `count` bytes is too long."""
        if count > self.most_bytes:
            raise self.too_long()

    def too_long(self) -> BatchTooLarge:
        """Make the failure of a body that has too many bytes."""
        return BatchTooLarge(f"The batch has over {self.most_bytes} bytes. Send several batches.")

    def picture_too_long(self) -> FileTooLarge:
        """Make the failure of a picture that has too many bytes."""
        return FileTooLarge(
            f"The picture is larger than {self.most_picture_bytes} bytes. Send a smaller file."
        )


class Field(NamedTuple):
    """A named field that came before the pictures."""

    name: str
    text: str


Found = Field | bytes | Failure


class BatchParser(Protocol):
    """Finds fields and pictures in a body that is given to it piece by piece."""

    def feed(self, data: bytes) -> Iterator[Found]:
        """Read on; gives what has become whole, of a picture that is none here its failure.

        Raises MalformedRequest, InvalidParameter, FileTooLarge or BatchTooLarge where there is no
        use in reading on.
        """
        ...

    def finish(self) -> None:
        """Raise MalformedRequest unless what came was whole."""
        ...


class BoundedBytes:
    """What has arrived of a text or picture; once it is over `most_bytes`, nothing of it."""

    def __init__(self, most_bytes: int) -> None:
        self.count = 0
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []

    @property
    def is_too_long(self) -> bool:
        """Whether more has come than is kept."""
        return self.count > self._most_bytes

    def add(self, piece: bytes) -> None:
        """Add what comes next."""
        self.count += len(piece)
        if self.is_too_long:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    def join(self) -> bytes:
        """Return all of it; nothing where it is too long."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def field_too_long(name: str, pictures: str) -> InvalidParameter:
    """Make the failure of a field that is as long as a picture would be."""
    which = f"The field `{name}`" if name and may_be_shown(name) else "A field of the batch"
    return InvalidParameter(
        f"{which} has over {MAX_FIELD_BYTES} bytes. Pictures go into {pictures}."
    )


def field_too_late(name: str) -> InvalidParameter:
    """Make the failure of a field that comes when pictures are at work already."""
    which = f"The field `{name}`" if may_be_shown(name) else "A field"
    return InvalidParameter(
        f"{which} comes after a picture. Fields go before all pictures, or into the query."
    )
