"""The tracks of an animated AVIF: where each one's first frame lies (ISO/IEC 14496-12, 8.5 to 8.7).

Only the first frame is decoded, but decoders make room for all on opening the file.
"""

import struct
from collections.abc import Iterator

from topfive.errors import InvalidImage
from topfive.images.isobmff import Box

# One of colour and one of alpha, and as many that are not shown.
MAX_TRACKS = 4
# An animation of an hour has no more frames.
MAX_FRAMES = 100_000
MAX_CHUNKS = 10_000
MAX_CHUNK_RUNS = 1000

_CHUNK_OFFSETS = {b"stco": ">I", b"co64": ">Q"}
_TABLES = frozenset({*_CHUNK_OFFSETS, b"stsc", b"stsz"})


def first_frames(data: bytes, boxes: list[Box]) -> Iterator[tuple[int, bytes]]:
    """Yield the data of the first frame of each track, numbered from -1 down.

    Raises InvalidImage if there is too much of anything.
    """
    tracks: list[dict[bytes, Box]] = []
    for box in boxes:
        if box.kind == b"trak":
            tracks.append({})
        elif tracks and box.kind in _TABLES and tracks[-1].setdefault(box.kind, box) is not box:
            raise InvalidImage("The picture's file has two tables in the place of one.")
    if len(tracks) > MAX_TRACKS:
        raise InvalidImage(f"The picture's file has more than {MAX_TRACKS} tracks.")
    for number, tables in enumerate(tracks):
        yield -1 - number, _first_frame(data, tables)


def _first_frame(data: bytes, tables: dict[bytes, Box]) -> bytes:
    chunks = [box for kind, box in tables.items() if kind in _CHUNK_OFFSETS]
    if len(chunks) != 1 or b"stsz" not in tables or b"stsc" not in tables:
        return b""
    count, runs = (_count(data, box) for box in (chunks[0], tables[b"stsc"]))
    if count > MAX_CHUNKS or runs > MAX_CHUNK_RUNS:
        raise InvalidImage("The picture's file has an animation in too many chunks.")
    _check_frames(data, tables, count, runs)
    size, frames = struct.unpack_from(">II", data, tables[b"stsz"].start + 4)
    if not count or not frames:
        return b""
    if size == 0:
        (size,) = struct.unpack_from(">I", data, tables[b"stsz"].start + 12)
    (offset,) = struct.unpack_from(_CHUNK_OFFSETS[chunks[0].kind], data, chunks[0].start + 8)
    return data[offset : offset + size]


def _check_frames(data: bytes, tables: dict[bytes, Box], chunks: int, runs: int) -> None:
    start = tables[b"stsc"].start + 8
    frames = [struct.unpack_from(">I", data, start + 12 * run + 4)[0] for run in range(runs)]
    if max(frames, default=0) * chunks > MAX_FRAMES:
        raise InvalidImage(f"The picture's file has more than {MAX_FRAMES} frames.")


def _count(data: bytes, box: Box) -> int:
    return int(struct.unpack_from(">I", data, box.start + 4)[0])
