"""Real weights and photos, where they are named."""

import csv
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from topfive.bundles.store import Bundle, open_bundle


@dataclass(frozen=True)
class Photo:
    """One photo and the ImageNet class it shows."""

    path: Path
    class_id: int


@pytest.fixture(scope="session")
def photos(real_photos: Path) -> list[Photo]:
    """The photos with the class each of them shows."""
    with (real_photos / "labels.csv").open(encoding="utf-8", newline="") as file:
        return [
            Photo(real_photos / row["file"], int(row["class_id"])) for row in csv.DictReader(file)
        ]


@pytest.fixture(scope="session")
def real_bundle(real_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle pulled from the real weights."""
    from topfive.registry.desired import ModelOptions
    from topfive.training.pull import pull_bundle

    root = tmp_path_factory.mktemp("real")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        return open_bundle(pull_bundle(ModelOptions("mobilenet_v2", str(real_weights), None, root)))
