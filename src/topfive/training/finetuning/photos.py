"""Loads photos for a network: decoded as the service does, varied or not, in batches."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

from topfive.datasets.dataset import LabelledPhoto
from topfive.datasets.photos import read_photo
from topfive.errors import DatasetRefused, Failure
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import least_side, preprocess
from topfive.images.sniff import sniff
from topfive.input_recipe import InputRecipe
from topfive.training.finetuning.augmentation import Augmenter, as_tensor

# Decoded photos that are kept for the next time; of a process that loads them.
_KEPT_BYTES = 256 * 1024**2


class Showing(NamedTuple):
    """Which photo is shown, in which epoch and how much varied."""

    place: int
    epoch: int = 0
    strength: float = 0.0


class Batch(NamedTuple):
    """Uint8 pixels (photos, 3, side, side) and true class ids (photos,)."""

    pixels: NDArray[np.uint8]
    truths: NDArray[np.int64]


Loaded = tuple[torch.Tensor, int] | DatasetRefused


@dataclass(slots=True)
class Photos(Dataset[Loaded]):
    """Photos as a network takes them; varied by an augmenter where there is one.

    How one is varied depends on seed, epoch and photo alone, and not on who loads it.
    """

    photos: Sequence[LabelledPhoto]
    input: InputRecipe
    augmenter: Augmenter | None = None
    seed: int = 0
    _kept: dict[int, Image.Image] = field(default_factory=dict)
    _kept_bytes: int = 0

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, showing: Showing) -> Loaded:
        try:
            picture = self._picture(showing.place)
        except DatasetRefused as refused:
            # Raised in a process beside, it would arrive with that one's stack trace in its text.
            return refused
        return self._pixels(picture, showing), self.photos[showing.place].class_id

    def _pixels(self, picture: Image.Image, showing: Showing) -> torch.Tensor:
        if self.augmenter is None:
            return as_tensor(preprocess(picture, self.input)[0])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix_seed(self.seed, showing.epoch, showing.place))
            return self.augmenter.vary(picture, showing.strength)

    def _picture(self, place: int) -> Image.Image:
        if place not in self._kept:
            picture = _decode(self.photos[place], self.input)
            if self._kept_bytes > _KEPT_BYTES:
                return picture
            self._kept[place] = picture
            self._kept_bytes += 3 * picture.width * picture.height
        return self._kept[place]


@dataclass(slots=True)
class Order(Sampler[list[Showing]]):
    """Says which photos are shown in the next epoch, in batches; `shown` is set before each."""

    batch_size: int
    shown: Sequence[Showing] = ()

    def __len__(self) -> int:
        return ceil(len(self.shown) / self.batch_size)

    def __iter__(self) -> Iterator[list[Showing]]:
        for start in range(0, len(self.shown), self.batch_size):
            yield list(self.shown[start : start + self.batch_size])


def count_batches(photos: int, batch_size: int) -> int:
    """Tell into how many batches photos go when a network learns from them.

    A last batch of a single photo is left out: it has no statistics to learn by.
    """
    return max(1, photos // batch_size + (photos % batch_size > 1))


class Loader:
    """Gives photos in batches, loaded by `workers` processes beside this one, or by itself.

    They stay for the next time where it `persists`, until it is closed.
    """

    def __init__(
        self, photos: Photos, batch_size: int, workers: int, *, persists: bool = False
    ) -> None:
        self.photos = photos
        self._order = Order(batch_size)
        self._loader: DataLoader[Any] = DataLoader(
            photos,
            batch_sampler=self._order,
            num_workers=workers,
            collate_fn=_collate,
            persistent_workers=persists and workers > 0,
        )

    def all(self) -> Iterator[Batch]:
        """Give every photo once, in its place."""
        return self.show([Showing(place) for place in range(len(self.photos))])

    def show(self, shown: Sequence[Showing]) -> Iterator[Batch]:
        """Give the photos that are to be shown, in this order.

        Raises DatasetRefused if one cannot be read any more.
        """
        self._order.shown = shown
        for loaded in self._loader:
            if isinstance(loaded, DatasetRefused):
                raise loaded
            yield loaded

    def close(self) -> None:
        """Stop the processes beside, also where an error has ended their work."""
        running = self._loader._iterator
        if running is not None and self._loader.num_workers:
            # torch has no public name for it, and else they stay as long as the error is held.
            running._shutdown_workers()  # type: ignore[attr-defined]


def _decode(photo: LabelledPhoto, recipe: InputRecipe) -> Image.Image:
    limits = ImageLimits()
    try:
        data = read_photo(photo.path, limits)
        if hashlib.sha256(data).hexdigest() != photo.sha256:
            raise DatasetRefused(
                f"{photo.path} is another picture than when the training began. Give the same "
                "command again."
            )
        return decode(sniff(data, limits), limits, least_side(recipe)).pixels
    except OSError as error:
        raise DatasetRefused(f"{photo.path} cannot be read: {error.strerror}.") from error
    except Failure as failure:
        raise DatasetRefused(f"{photo.path} cannot be used: {failure.detail}") from failure


def _collate(loaded: list[Loaded]) -> Batch | DatasetRefused:
    """Make arrays of them: tensors would come through shared memory, which containers lack."""
    pixels, truths = [], []
    for one in loaded:
        if isinstance(one, DatasetRefused):
            return one
        pixels.append(one[0])
        truths.append(one[1])
    return Batch(torch.stack(pixels).numpy(), np.array(truths, dtype=np.int64))


def mix_seed(*numbers: int) -> int:
    """Make one seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
