"""Whether each photo can be read, and its digest; on several threads at once."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from topfive.errors import Failure
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.machine.probe import probe_machine

# A picture of the most pixels takes half a gigabyte while it is decoded.
_MOST_THREADS = 8
# A JPEG may be decoded this small: damage is found all the same.
_LEAST_SIDE = 32

# Told how many photos of how many are read.
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CheckedPhoto:
    """The sha256 of a photo's bytes, and why it cannot be used; empty: it can."""

    sha256: str
    problem: str = ""


def check_photos(paths: Sequence[Path], limits: ImageLimits, report: Report) -> list[CheckedPhoto]:
    """Read and decode every photo once, in the given order of answers."""
    threads = max(1, min(_MOST_THREADS, round(probe_machine().cpus)))
    checked = []
    with ThreadPoolExecutor(threads) as pool:
        for one in pool.map(lambda path: _check(path, limits), paths):
            checked.append(one)
            report(len(checked), len(paths))
    return checked


def _check(path: Path, limits: ImageLimits) -> CheckedPhoto:
    try:
        data = read_photo(path, limits)
        decode(sniff(data, limits), limits, _LEAST_SIDE)
    except OSError as error:
        return CheckedPhoto("", f"it cannot be read: {error.strerror}.")
    except Failure as failure:
        return CheckedPhoto("", f"the service would not take it: {failure.detail}")
    return CheckedPhoto(hashlib.sha256(data).hexdigest())


def read_photo(path: Path, limits: ImageLimits) -> bytes:
    """Read a photo's bytes, and of too large a file no more than shows that it is.

    Raises OSError, also for what is no regular file.
    """
    if not path.exists():
        raise FileNotFoundError(2, "there is no such file")
    if not path.is_file():
        # Reading a pipe may wait for ever.
        raise OSError(22, "it is not a regular file")
    with path.open("rb") as file:
        return file.read(limits.max_bytes + 1)
