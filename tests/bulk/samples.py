"""Folders of pictures that the embedded model knows."""

from pathlib import Path

from topfive.bundles.store import demo_root


def fill_with_samples(folder: Path, count: int) -> Path:
    """Put so many pictures of digits into a folder, `000.png` and on; gives the folder."""
    folder.mkdir(exist_ok=True)
    samples = [one.read_bytes() for one in sorted((demo_root() / "digits/1").glob("sample-*.png"))]
    for number in range(count):
        (folder / f"{number:03}.png").write_bytes(samples[number % len(samples)])
    return folder
