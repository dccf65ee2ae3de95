"""Writes a small file so that whoever reads it finds the former content or the new one, whole."""

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_atomically(path: Path, content: bytes, *, is_durable: bool = False) -> None:
    """Put `content` in the place of a file; durable: it outlives a loss of power.

    Raises OSError, and then the former content is still there.
    """
    with ExitStack() as undo:
        with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
            undo.callback(Path(file.name).unlink, missing_ok=True)
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        Path(file.name).replace(path)
        undo.pop_all()
