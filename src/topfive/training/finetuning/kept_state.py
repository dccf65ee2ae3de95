"""What a training has learned so far, on disk, so that one that was stopped can go on."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from topfive.errors import TrainingStopped

_LOCK_FILE = ".training.lock"
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class KeptState:
    """A folder of named states, each a dictionary of tensors and plain data."""

    folder: Path

    def read(self, name: str) -> dict[str, Any] | None:
        """Read what was kept by that name; None where nothing was, or it is damaged."""
        try:
            return self._read(name)
        except Exception:  # noqa: BLE001 - torch raises anything for a damaged file; it is made anew
            return None

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / f"{name}.pt"
        if not path.is_file():
            return None
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return content

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Keep a state in place of the one of before, which stays until this one is whole."""
        buffer = BytesIO()
        torch.save(content, buffer)
        beside = self.folder / f"{name}.part"
        try:
            beside.write_bytes(buffer.getbuffer())
            beside.replace(self.folder / f"{name}.pt")
        finally:
            beside.unlink(missing_ok=True)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Go on from what was read; raises TrainingStopped if it is of no such training."""
        try:
            yield
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise TrainingStopped(
                f"What is kept in {self.folder} is not of this training. Give the same command "
                "with --restart, and it begins anew."
            ) from error

    def clear(self) -> None:
        """Forget all states."""
        for path in self.folder.iterdir():
            path.unlink()

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def keep_state(models_dir: Path, name: str, digest: str) -> Iterator[KeptState]:
    """Open the states of the training that `digest` means, for this process alone.

    They lie beside the model's bundles, in a folder that no one takes for a bundle. Raises
    TrainingStopped if another process trains a model of this name, or the folder cannot be written.
    """
    place = models_dir / name
    folder = place / f".training-{digest[:_DIGITS]}"
    place.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / _LOCK_FILE, timeout=0)
    try:
        with lock:
            folder.mkdir(exist_ok=True)
            yield KeptState(folder)
    except Timeout as error:
        raise TrainingStopped(
            f"Another process trains {name} in {models_dir}. Wait for it, or choose another --name."
        ) from error
    finally:
        _remove_if_empty(place)


def _remove_if_empty(place: Path) -> None:
    """Leave no folder of a model that came to nothing."""
    try:
        if {one.name for one in place.iterdir()} <= {_LOCK_FILE}:
            shutil.rmtree(place, ignore_errors=True)
    except OSError:
        return
