"""Weights that an ONNX file has in files beside it: only such that lie in its own folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from topfive.training.importing.refusals import refuse

_LOCATION = "location"


def find_data_files(path: Path, tensors: Iterable[Any]) -> tuple[Path, ...]:
    """List the files that tensors of the ONNX file `path` have their data in.

    A file names any path that it likes. Raises WeightsRefused for one that leads out of the file's
    folder, is a link out of it, is no file, or ends before the data do.
    """
    found: dict[Path, int] = {}
    for tensor in tensors:
        entries = [(one.key, one.value) for one in tensor.external_data]
        for location in (value for key, value in entries if key == _LOCATION):
            file = _locate(path, location)
            found[file] = max(found.get(file, 0), _end_of_data(path, dict(entries)))
        if tensor.data_location == tensor.EXTERNAL and not entries:
            raise refuse(path, f"does not say where the data of {tensor.name[:40]!r} lie.")
    for file, end_bytes in found.items():
        _require_bytes(path, file, end_bytes)
    return tuple(sorted(found))


def _locate(path: Path, location: str) -> Path:
    folder = path.parent.resolve()
    # A leading asterisk names an address in memory to some libraries.
    is_odd = location.startswith("*") or "\0" in location or "\\" in location
    file = folder if is_odd else (folder / location).resolve()
    if is_odd or not file.is_relative_to(folder) or file == folder:
        raise refuse(
            path,
            f"wants data from {_shown(location)}, which is not in its own folder. Only files that "
            "lie there are read, and no links that lead out of it.",
        )
    if not file.exists():
        raise refuse(
            path, f"has its weights in {_shown(location)}, which is not beside it: copy it there."
        )
    if not file.is_file():
        raise refuse(path, f"wants data from {_shown(location)}, which is no file.")
    return file


def _end_of_data(path: Path, entries: Mapping[str, str]) -> int:
    """Tell up to which byte a tensor's data reach, as far as it is said."""
    try:
        offset, length = (int(entries.get(key) or 0) for key in ("offset", "length"))
    except ValueError:
        offset, length = -1, -1
    if min(offset, length) < 0:
        raise refuse(path, "is damaged: where its data lie is no number.")
    return offset + length


def _require_bytes(path: Path, file: Path, end_bytes: int) -> None:
    has_bytes = file.stat().st_size
    if has_bytes < end_bytes:
        raise refuse(
            path,
            f"has data up to byte {end_bytes:,} of {_shown(file.name)}, which has {has_bytes:,}: "
            "that file is cut off, or another one.",
        )


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else f"…{name[-59:]}")
