"""Where a network computes, in which precision, and what is done where memory does not suffice."""

import ctypes
import gc
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from topfive.errors import EngineRefused, TrainingStopped
from topfive.input_recipe import InputRecipe
from topfive.machine.probe import probe_machine
from topfive.training.finetuning.progress import Reporter

ResultT = TypeVar("ResultT")

# Of glibc's malloc.h: from which size on memory comes from the system, and goes back when freed.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_LARGEST_BYTES = 1 << 30

# Parts of what torch, its allocators and CUDA's libraries say where memory ends.
_NO_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED")


@dataclass(slots=True)
class Compute:
    """A device; `dtype` is what mixed precision computes in, None: all in f32.

    `most_at_once` photos are computed together: half as many each time there is no memory, which
    is told.
    """

    device: str
    dtype: torch.dtype | None
    input: InputRecipe
    most_at_once: int
    reporter: Reporter
    _mean: torch.Tensor = field(init=False)
    _std: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Bring the recipe's numbers to the device."""
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(self.input.mean, device=self.device).reshape(shape) * 255
        self._std = torch.tensor(self.input.std, device=self.device).reshape(shape) * 255

    def mixed(self) -> AbstractContextManager[object]:
        """Compute in mixed precision while the block runs, where this device does."""
        return torch.autocast(self.device, self.dtype, enabled=self.dtype is not None)

    def normalise(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Bring uint8 pixels (photos, 3, side, side) to the device, as a network takes them."""
        moved = torch.from_numpy(pixels).to(self.device).float()
        normalised = (moved - self._mean) / self._std
        return normalised.contiguous(memory_format=torch.channels_last)

    def in_parts(
        self,
        count: int,
        work: Callable[[slice], ResultT],
        begin: Callable[[], None] = lambda: None,
    ) -> list[ResultT]:
        """Do work on parts of `count` photos, as large as memory allows; `begin` goes before.

        All of it is done again with half as many at once where memory does not suffice. Raises
        TrainingStopped if there is none for a single photo.
        """
        while True:
            begin()
            done = self._try(count, work)
            if done is not None:
                return done
            self._halve(count)

    def _try(self, count: int, work: Callable[[slice], ResultT]) -> list[ResultT] | None:
        parts = [
            slice(start, min(start + self.most_at_once, count))
            for start in range(0, count, self.most_at_once)
        ]
        try:
            return [work(part) for part in parts]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _halve(self, count: int) -> None:
        # Only here, when the error and the tensors that its frames held are gone, is memory free.
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
        most = min(self.most_at_once, count)
        if most <= 1:
            raise TrainingStopped(
                f"There is not enough memory on the device {self.device} for this network and a "
                "single photo. Take a smaller network or a smaller crop, or free memory there."
            )
        self.most_at_once = most // 2
        self.reporter.tell(
            f"Note: there is no memory on the device {self.device} for {most} photos at once; "
            f"going on with {self.most_at_once}, and as many to a step as before."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory does not suffice."""
    return isinstance(error, MemoryError) or any(part in str(error) for part in _NO_MEMORY)


def choose_device(wanted: str) -> str:
    """Take CUDA where it is there and not ruled out; raises EngineRefused if it is asked for."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise EngineRefused(
            "--device cuda: torch finds no CUDA device. `topfive doctor` says whether there is one "
            "and whether this torch was built for CUDA; or take --device cpu."
        )
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def mixed_dtype(device: str) -> torch.dtype | None:
    """Tell what mixed precision computes in: bf16, or f16 on GPUs of before; none on a CPU."""
    if device != "cuda":
        return None
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_bf16 else torch.float16


def default_workers(device: str) -> int:
    """Tell how many processes load photos: a GPU waits for more than one, a CPU has no time."""
    cpus = int(probe_machine().cpus)
    return min(8, max(1, cpus - 1)) if device == "cuda" else 0


def default_threads() -> int:
    """Tell how many threads a CPU computes with: as many as there are CPUs."""
    return max(1, int(probe_machine().cpus))


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next step, where it is glibc.

    By default the system takes large blocks back each time, and clears them again when they are
    asked for: a step of MobileNetV2 on two cores then takes 34 ms a photo instead of 18.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST_BYTES)
