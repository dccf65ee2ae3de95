"""Small labelled photos made by arithmetic: each class has a colour that a tiny network learns."""

from pathlib import Path

import numpy as np
from PIL import Image

from topfive.training.finetuning.recipe import TrainingRecipe, parse_recipe

SIDE = 32
COLOURS = {"red": (210, 40, 50), "green, dark": (30, 150, 60), "blue 🦋": (40, 70, 200)}
MORE_COLOURS = {"blue 🦋": (40, 70, 200), "grey": (120, 120, 120), "yellow": (220, 200, 40)}


def draw_photo(colour: tuple[int, int, int], seed: int) -> Image.Image:
    """Draw a disc of a colour somewhere on noise; another one for each seed."""
    random = np.random.default_rng(seed)
    pixels = random.normal(128, 25, (SIDE, SIDE, 3))
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    middle = random.uniform(0.35, 0.65, 2) * SIDE
    is_disc = (down - middle[0]) ** 2 + (across - middle[1]) ** 2 < (SIDE * 0.33) ** 2
    pixels[is_disc] = np.array(colour) + random.normal(0, 20, (int(is_disc.sum()), 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_photos(
    root: Path, colours: dict[str, tuple[int, int, int]] = COLOURS, each: int = 20, seed: int = 0
) -> Path:
    """Write so many photos of each class, in a folder for each."""
    for place, (name, colour) in enumerate(colours.items()):
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(each):
            photo = draw_photo(colour, seed * 100_000 + place * 1000 + number)
            photo.save(folder / f"{number}.png")
    return root


def scratch_recipe(**changes) -> TrainingRecipe:
    """Give a recipe by which a tiny network learns the colours from nothing, in seconds."""
    values = {
        "pretrained": False,
        "architecture_options": {"width_mult": 0.25},
        "input": {
            "resize": SIDE,
            "crop": SIDE,
            "mean": (0.5, 0.5, 0.5),
            "std": (0.25, 0.25, 0.25),
        },
        "epochs": 8,
        "batch_size": 8,
        "optimizer": "sgd",
        "learning_rate": 0.02,
        "weight_decay": 1e-4,
        "patience": 0,
        "threads": 1,
    }
    return parse_recipe(values | changes, "the tests' recipe")


def write_recipe(path: Path, recipe: TrainingRecipe) -> Path:
    """Write a recipe as the TOML that a person writes."""
    lines, tables = [], []
    for name, value in recipe.model_dump(exclude_none=True).items():
        if isinstance(value, dict):
            tables.append(f"[{name}]\n" + "".join(_line(*one) for one in value.items()))
        else:
            lines.append(_line(name, value))
    path.write_text("".join(lines) + "\n".join(tables), "utf-8")
    return path


def _line(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{name} = {str(value).lower()}\n"
    written = list(value) if isinstance(value, tuple) else value
    return f"{name} = {written!r}\n"
