"""An object of a bucket as a file that is read from any place, a block a request."""

import io

from topfive.bulk.inputs.buckets import Buckets, ObjectName

_BLOCK_BYTES = 4 * 1024 * 1024


class _RawObject(io.RawIOBase):
    def __init__(self, buckets: Buckets, name: ObjectName) -> None:
        super().__init__()
        self._buckets = buckets
        self._name = name
        self._size_bytes = buckets.size_of(name)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size_bytes}
        self._place = max(0, origin[whence] + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        stop = min(self._place + len(buffer), self._size_bytes)
        if stop <= self._place:
            return 0
        content = self._buckets.read_range(self._name, self._place, stop)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)


def open_object(buckets: Buckets, name: ObjectName) -> io.BufferedReader:
    """Open an object; this and what is read from it raise StoreUnreachable or StoreDenied."""
    return io.BufferedReader(_RawObject(buckets, name), _BLOCK_BYTES)
