"""What can be given as a picture, and how many go into one request."""

import os
import time
from asyncio import to_thread
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from topfive.client.errors import ClientError, Refused, UnreadablePicture
from topfive.client.results import Limits

# A path as text or Path, the encoded bytes, or a file that is open in binary mode.
Picture = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

# For one picture alone, whose service may take any number of them.
MOST_PICTURE_BYTES = 256 * 1024 * 1024
# More at a time would be held in memory without being classified any sooner.
_MOST_GROUP_BYTES = 32 * 1024 * 1024
# With a source that is slower than the service, results should not wait for a whole group.
_MOST_GATHERING_S = 1.0
# Around each picture in the form: its boundary, headers and line ends, rounded up.
_BESIDE_PICTURE_BYTES = 256


@dataclass(frozen=True, slots=True)
class ReadPicture:
    """One of many pictures: its bytes, or the error that kept them from being read."""

    index: int
    name: str
    data: bytes = b""
    error: ClientError | None = None


def read_picture(picture: Picture, max_bytes: int) -> bytes:
    """Read a picture's bytes; raises UnreadablePicture, and Refused for more than `max_bytes`.

    Of a service that takes any number of bytes none is asked for more than MOST_PICTURE_BYTES.
    """
    max_bytes = min(max_bytes, MOST_PICTURE_BYTES)
    data = _read(picture, max_bytes + 1)
    if len(data) > max_bytes:
        raise Refused("file_too_large", f"The picture has more than {max_bytes} bytes.")
    return data


def read_one_of_many(index: int, picture: Picture, max_bytes: int) -> ReadPicture:
    """Read a picture, or note why it cannot be read."""
    name = _name(picture)
    try:
        return ReadPicture(index, name, read_picture(picture, max_bytes))
    except ClientError as error:
        return ReadPicture(index, name, error=error)


def grouped(
    pictures: Iterable[Picture], limits: Limits, most_pictures: int
) -> Iterator[list[ReadPicture]]:
    """Read pictures, and give as many at a time as one request should hold."""
    _require_several(pictures)
    gathering = Gathering(limits, most_pictures)
    for index, picture in enumerate(pictures):
        yield from gathering.add(read_one_of_many(index, picture, limits.max_upload_bytes))
    yield gathering.rest()


async def grouped_async(
    pictures: Iterable[Picture] | AsyncIterable[Picture], limits: Limits, most_pictures: int
) -> AsyncGenerator[list[ReadPicture], None]:
    """Do what `grouped` does; files are read in threads."""
    _require_several(pictures)
    gathering, index = Gathering(limits, most_pictures), 0
    async for picture in _as_async(pictures):
        most_bytes = limits.max_upload_bytes
        for group in gathering.add(await to_thread(read_one_of_many, index, picture, most_bytes)):
            yield group
        index += 1
    yield gathering.rest()


class Gathering:
    """Pictures that wait until they are enough for one request."""

    def __init__(
        self, limits: Limits, most_pictures: int, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_pictures = max(1, min(limits.batch_max_pictures, most_pictures))
        self._most_bytes = min(limits.batch_max_bytes, _MOST_GROUP_BYTES) - _BESIDE_PICTURE_BYTES
        self._clock_s = clock_s
        self._pictures: list[ReadPicture] = []
        self._bytes = 0
        self._begun_s = 0.0

    def add(self, picture: ReadPicture) -> Iterator[list[ReadPicture]]:
        """Add a picture; gives the groups that should be sent now, those before it first."""
        if self._pictures and self._bytes + _size(picture) > self._most_bytes:
            yield self.rest()
        if not self._pictures:
            self._begun_s = self._clock_s()
        self._pictures.append(picture)
        self._bytes += _size(picture)
        if self._is_enough():
            yield self.rest()

    def rest(self) -> list[ReadPicture]:
        """Hand over the pictures that wait."""
        pictures, self._pictures, self._bytes = self._pictures, [], 0
        return pictures

    def _is_enough(self) -> bool:
        waited_s = self._clock_s() - self._begun_s
        return len(self._pictures) >= self._most_pictures or waited_s >= _MOST_GATHERING_S


def _require_several(pictures: object) -> None:
    """Raise TypeError for one picture, whose letters, bytes or lines would be taken for many."""
    if isinstance(pictures, str | bytes | bytearray | memoryview) or hasattr(pictures, "read"):
        raise TypeError("predict_many takes several pictures, such as a list; predict takes one.")


async def _as_async(
    pictures: Iterable[Picture] | AsyncIterable[Picture],
) -> AsyncIterator[Picture]:
    if isinstance(pictures, AsyncIterable):
        async for picture in pictures:
            yield picture
    else:
        for picture in pictures:
            yield picture


def _name(picture: Picture) -> str:
    return os.fspath(picture) if isinstance(picture, str | os.PathLike) else ""


def _size(picture: ReadPicture) -> int:
    """Tell how many bytes a picture adds to a request."""
    return len(picture.data) + _BESIDE_PICTURE_BYTES


def _read(picture: Picture, most_bytes: int) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, bytearray | memoryview):
        return bytes(picture)
    if not isinstance(picture, str | os.PathLike) and not hasattr(picture, "read"):
        kind = type(picture).__name__
        raise TypeError(f"A picture is a path, bytes or an open file, not of the type {kind}.")
    try:
        if isinstance(picture, str | os.PathLike):
            with Path(picture).open("rb") as file:
                return file.read(most_bytes)
        data = picture.read(most_bytes)
    except OSError as error:
        name = f"{_name(picture)}: " if _name(picture) else ""
        raise UnreadablePicture(f"{name}{error.strerror or error}.") from error
    if not isinstance(data, bytes):
        raise TypeError("A file must be open in binary mode: open(path, 'rb').")
    return data
