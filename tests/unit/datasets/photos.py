"""Folders and tables of tiny photos, made by arithmetic."""

from pathlib import Path

from tests.pictures import draw, encode


def write_photo(path: Path, seed: int) -> Path:
    """Write a PNG of 8 x 8 pixels, another one for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(draw(8, 8, seed), "PNG"))
    return path


def write_folder(root: Path, counts: dict[str, int], first_seed: int = 0) -> Path:
    """Write so many photos for each class, in a folder each."""
    seed = first_seed
    for name, count in counts.items():
        for number in range(count):
            write_photo(root / name / f"{number}.png", seed)
            seed += 1
    return root


def write_table(root: Path, text: str, photos: int = 4) -> Path:
    """Write `labels.csv` beside the photos `0.png`, `1.png`, ..."""
    for number in range(photos):
        write_photo(root / f"{number}.png", number)
    table = root / "labels.csv"
    table.write_text(text, "utf-8")
    return table
