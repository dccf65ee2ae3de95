"""The photos' thousand classes in six: a table for `topfive train`, beside no copy of a photo."""

import csv
from pathlib import Path

# By the number of ImageNet's class; every other class of an object is a thing.
BIRDS = (10, 20, 80, 90, 100, 130, 140)
DOGS = range(151, 281)
ANIMALS = range(400)
VEHICLES = (450, 510, 670, 690, 780, 820, 870, 880)
PLACES = (410, 460, 500, 540, 580, 660, 860, 900, 970, 980)


def coarse_class(class_id: int) -> str:
    """Name the coarse class of one of ImageNet's."""
    for name, members in (
        ("bird", BIRDS),
        ("dog or its kin", DOGS),
        ("other animal", ANIMALS),
        ("vehicle", VEHICLES),
        ("place", PLACES),
    ):
        if class_id in members:
            return name
    return "thing"


def write_coarse_table(photos: Path, table: Path) -> None:
    """Write a CSV of the photos in a folder with `labels.csv`, by their coarse classes."""
    with (photos / "labels.csv").open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "class"))
        for row in rows:
            path = photos.resolve() / row["file"]
            writer.writerow((path, coarse_class(int(row["class_id"]))))
