"""Feeds a parser of batches piece by piece, as a body arrives."""

from collections.abc import Iterator

from topfive.api.batch.contents import BatchLimits, BatchParser, Found
from topfive.errors import Failure

LIMITS = BatchLimits(most_pictures=4, most_bytes=10**6, most_picture_bytes=2000)


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    """Cut a body into pieces of that size."""
    for begin in range(0, len(body), size):
        yield body[begin : begin + size]


def parse(parser: BatchParser, body: bytes, size: int = 64) -> list[Found]:
    """Feed a whole body; what ends it too early stands last, as the failure that was raised."""
    found: list[Found] = []
    try:
        for piece in pieces(body, size):
            # What is found before a failure counts.
            for one in parser.feed(piece):
                found.append(one)
        parser.finish()
    except Failure as failure:
        found.append(failure)
    return found


def told(found: list[Found]) -> list[object]:
    """Write failures as their codes and details, so that they can be compared."""
    return [one.message if isinstance(one, Failure) else one for one in found]
