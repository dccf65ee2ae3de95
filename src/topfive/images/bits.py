"""Bits of coded data, and what is learned from them: how much work a decoder is asked for."""

from dataclasses import dataclass

# A picture has some dozens of coded units, if each of its tiles has one of its own.
MAX_UNITS = 4096


@dataclass(frozen=True, slots=True)
class Work:
    """The pixels that a stream codes in all its frames, those held at once, and its units."""

    coded_pixels: int
    held_pixels: int
    units: int


class Bits:
    """Reads bits from the highest on."""

    def __init__(self, data: bytes, start: int = 0) -> None:
        self._data, self._position = data, 8 * start

    def read(self, count: int) -> int:
        """Read one number of `count` bits; raises IndexError behind the end."""
        first, end = self._position // 8, self._position + count
        if end > 8 * len(self._data):
            raise IndexError(end)
        number = int.from_bytes(self._data[first : -(-end // 8)])
        self._position = end
        return number >> -end % 8 & (1 << count) - 1
