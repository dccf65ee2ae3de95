"""Draws handwritten digits as pictures to train with: `python docs/draw_digits.py FOLDER`.

They are those of scikit-learn. Writes FOLDER/labels.csv, the pictures that it lists, and
FOLDER/samples. Digits to learn from are drawn several times, with strokes, sizes and colours that
vary, so that a scanned digit or one drawn by hand is read too. The others are drawn plainly, dark
on light and light on dark.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 64
SEED = 0
HELD_OUT_SHARE = 0.2
VALIDATION_DIGITS = 50
VARIATIONS = 3
SAMPLES = (0, 3, 5, 8)
SAMPLE_INK_SIDE = 160
SAMPLE_MARGIN = 20

# How a digit of 8 x 8 is made large: mostly smooth, some as it is printed on a screen.
FILTERS = (Image.Resampling.BICUBIC,) * 5 + (Image.Resampling.BILINEAR,) * 2
BLOCKS = Image.Resampling.NEAREST

Array = NDArray[np.float64]
Levels = NDArray[np.uint8]


def main() -> None:
    """Write all pictures, and what each of them is for."""
    folder = Path(sys.argv[1])
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    inks, classes = load_digits(return_X_y=True)
    # From 0 to 16; as levels they are resized by whole numbers, alike on every processor.
    inks = (255 / 16 * inks.reshape(-1, 8, 8)).astype(np.uint8)
    parts = split(classes)
    random = np.random.default_rng(SEED)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("file", "class_id", "class_name", "split"))
        for part, numbers in parts.items():
            for number in numbers:
                for turn, picture in enumerate(draw(inks[number], part, random)):
                    name = f"pictures/{number:04}-{turn}.png"
                    # Compressed by another machine, they would have other digests.
                    picture.save(folder / name, compress_level=0)
                    table.writerow((name, classes[number], NAMES[classes[number]], part))
    write_samples(folder / "samples", inks, classes, parts["held_out"])


def split(classes: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Say which digits are for what, of each class alike."""
    learned, held_out = train_test_split(
        np.arange(len(classes)), test_size=HELD_OUT_SHARE, random_state=SEED, stratify=classes
    )
    train, validation = train_test_split(
        learned, test_size=VALIDATION_DIGITS, random_state=SEED, stratify=classes[learned]
    )
    return {"train": train, "validation": validation, "held_out": held_out}


def draw(ink: Levels, part: str, random: np.random.Generator) -> list[Image.Image]:
    """Draw a digit, ink from 0 to 255 of shape (8, 8), as its part asks for."""
    plain = enlarge(ink, Image.Resampling.BILINEAR)
    if part != "train":
        return [to_image(1 - plain), to_image(plain)]
    pictures = [to_image(1 - plain), to_image(colour(place(ink, BLOCKS, random), random))]
    while len(pictures) < VARIATIONS:
        drawn = place(ink, FILTERS[random.integers(len(FILTERS))], random)
        picture = to_image(colour(harden(drawn, random), random))
        if picture not in pictures:
            pictures.append(picture)
    return pictures


def place(ink: Levels, resampling: Image.Resampling, random: np.random.Generator) -> Array:
    """Make ink at least half as wide and high as SIDE, somewhere on a blank sheet."""
    side = int(random.integers(SIDE // 2, SIDE + 1))
    left, top = random.integers(0, SIDE - side + 1, size=2)
    sheet = np.zeros((SIDE, SIDE))
    sheet[top : top + side, left : left + side] = enlarge(ink, resampling, side)
    return sheet


def enlarge(ink: Levels, resampling: Image.Resampling, side: int = SIDE) -> Array:
    """Make ink `side` pixels wide and high, from 0 to 1."""
    return np.asarray(Image.fromarray(ink).resize((side, side), resampling)) / 255


def harden(drawn: Array, random: np.random.Generator) -> Array:
    """Give most strokes the clear edge of a pen, from thick to thin."""
    if random.random() > 0.7:
        return drawn
    threshold, hardness = random.uniform(0.38, 0.66), random.uniform(4, 25)
    return 1 / (1 + np.exp((threshold - drawn) * hardness))


def colour(drawn: Array, random: np.random.Generator) -> Array:
    """Put ink on paper, the one dark and the other light, each black, white, grey or coloured."""
    dark, light = 0.45 * shade(random), 1 - 0.45 * shade(random)
    ink, paper = (dark, light) if random.random() < 0.5 else (light, dark)
    return paper + (ink - paper) * drawn[..., np.newaxis]


def shade(random: np.random.Generator) -> Array:
    """Draw how far a colour is from black or from white, for each channel."""
    kind = random.random()
    if kind < 0.3:
        return np.zeros(3)
    return random.random(3) if kind < 0.5 else np.full(3, random.random())


def to_image(values: Array) -> Image.Image:
    """Bring values from 0 to 1 into an RGB picture."""
    return Image.fromarray(np.round(255 * values).astype(np.uint8)).convert("RGB")


def write_samples(
    folder: Path, inks: Levels, classes: NDArray[np.int64], numbers: NDArray[np.int64]
) -> None:
    """Write a held-out digit of each class in SAMPLES, large and with a margin."""
    folder.mkdir(exist_ok=True)
    for class_id in SAMPLES:
        number = next(n for n in numbers if classes[n] == class_id)
        large = Image.fromarray(inks[number]).resize(
            (SAMPLE_INK_SIDE,) * 2, Image.Resampling.BICUBIC
        )
        side = SAMPLE_INK_SIDE + 2 * SAMPLE_MARGIN
        paper = Image.new("RGB", (side, side), "white")
        paper.paste("black", (SAMPLE_MARGIN, SAMPLE_MARGIN), mask=large)
        paper.save(folder / f"{NAMES[class_id]}.png")


if __name__ == "__main__":
    main()
