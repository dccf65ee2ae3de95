"""Real weights and photos, where they are named."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest


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
