"""Draws the sample pictures for ImageNet's classes: `python docs/draw_samples.py`.

Each is made of formulas and seeded noise alone, 480 x 480 pixels, and written as JPEG into
src/topfive/bundles/drawn.
"""

import sys
from pathlib import Path

import numpy as np
from drawing import (
    FINE,
    FINER,
    SIDE,
    Array,
    Outline,
    X,
    Y,
    blur,
    cover,
    ease,
    gloss,
    light,
    mix,
    noise,
    to_array,
    to_image,
    turn,
    unit,
)  # fmt: skip
from PIL import Image, ImageDraw

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "src" / "topfive" / "bundles" / "drawn"


def main() -> None:
    """Write the three pictures."""
    SAMPLES.mkdir(exist_ok=True)
    for name, draw in (
        ("balloon", draw_balloon),
        ("soccer-ball", draw_soccer_ball),
        ("jack-o-lantern", draw_lantern),
    ):
        path = SAMPLES / f"{name}.jpg"
        small = to_image(draw()).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        small.save(path, quality=86, optimize=True, progressive=True)
        sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")


# A hot-air balloon over hills


def draw_balloon() -> Array:
    """Draw a striped envelope with a basket, lit from the upper left."""
    middle, top, radius = 0.5, 0.34, 0.25
    down, across = (Y - top) / radius, (X - middle) / radius
    neck = 1.42
    half_width = np.maximum(balloon_profile(down, neck), 1e-3)
    side = np.where((down > -1) & (down < neck), across / half_width, 9)
    gore = (np.arcsin(np.clip(side, -1, 1)) / np.pi + 0.5) * 16 + 0.5
    within = gore % 1
    stripes = np.array(
        [(0.86, 0.12, 0.12), (0.98, 0.76, 0.1), (0.95, 0.95, 0.92), (0.1, 0.3, 0.68)]
    )
    belt = (down > -0.05) & (down < 0.13)
    cloth = np.where(belt[..., None], (0.1, 0.2, 0.45), stripes[gore.astype(int) % 4])
    seam = 0.75 + 0.25 * ease(0, 0.05, within) * ease(1, 0.95, within)
    folds = (0.88 + 0.12 * np.sin(np.pi * within)) * (0.97 + 0.03 * np.cos(down * 60))
    facing = np.sqrt(np.clip(1 - side**2, 0, 1))
    lit = light((side.clip(-1, 1), down.clip(-1, 1) * 0.54, facing), (-0.55, -0.45, 0.7))
    cloth = cloth * ((0.35 + 0.75 * lit) * folds * seam)[..., None]
    scene = mix(draw_sky(), cloth, ease(1.004, 0.996, np.abs(side)))
    return hang_basket(scene, middle, top + neck * radius)


def balloon_profile(down: Array, neck: float) -> Array:
    """Tell how wide half the envelope is at each height: round above, tapered below."""
    round_part = np.sqrt(np.clip(1 - down**2, 0, 1))
    along = np.clip((down - 0.15) / (neck - 0.15), 0, 1) ** 1.7
    return np.where(down < 0.15, round_part, np.sqrt(1 - 0.15**2) * (1 - along) + 0.17 * along)


def draw_sky() -> Array:
    """Draw a sky with thin clouds and two ridges of hills."""
    sky = mix((0.25, 0.5, 0.86), (0.75, 0.87, 0.97), ease(0, 0.85, Y))
    clouds = ease(0.52, 0.85, noise((3, 6, 12, 24, 48, 96), 3))
    sky = mix(sky, (1, 1, 1), 0.75 * clouds * ease(-0.2, 0.5, Y))
    meadow = noise((20, 60, 160), 8)
    far = 0.86 + 0.03 * np.sin(X * 7 + 1) + 0.015 * np.sin(X * 17)
    near = 0.92 + 0.025 * np.sin(X * 5 + 3) + 0.008 * np.sin(X * 23)
    hazy, green = ((0.38, 0.5, 0.55), (0.45, 0.58, 0.6)), ((0.14, 0.3, 0.12), (0.35, 0.5, 0.2))
    sky = mix(sky, mix(*hazy, meadow), ease(far, far + 0.004, Y))
    return mix(sky, mix(*green, meadow), ease(near, near + 0.004, Y))


def hang_basket(scene: Array, middle: float, bottom: float) -> Array:
    """Add the skirt, four ropes, two people and a basket below the envelope."""
    image = to_image(scene)
    pen = ImageDraw.Draw(image)

    def at(across: float, down: float) -> tuple[float, float]:
        return (middle + across) * FINE, (bottom + down) * FINE

    skirt = [at(-0.043, -0.004), at(0.043, -0.004), at(0.028, 0.028), at(-0.028, 0.028)]
    pen.polygon(skirt, fill=(120, 18, 18))
    for side in (-1, -0.35, 0.35, 1):
        pen.line([at(side * 0.028, 0.026), at(side * 0.03, 0.09)], fill=(50, 40, 30), width=3)
    pen.rounded_rectangle([at(-0.034, 0.085), at(0.034, 0.14)], radius=10, fill=(128, 84, 42))
    for row in range(7):
        down = 0.09 + row * 0.008
        pen.line([at(-0.034, down), at(0.034, down)], fill=(96, 60, 28), width=2)
    pen.rectangle([at(-0.037, 0.082), at(0.037, 0.092)], fill=(70, 42, 20))
    for side, coat in ((-0.012, (40, 60, 90)), (0.012, (150, 40, 40))):
        pen.ellipse([at(side - 0.008, 0.055), at(side + 0.008, 0.073)], fill=(190, 140, 110))
        pen.rectangle([at(side - 0.01, 0.07), at(side + 0.01, 0.086)], fill=coat)
    return to_array(image)


# A soccer ball on grass


def draw_soccer_ball() -> Array:
    """Draw a ball of 12 pentagons and 20 hexagons, lit from the upper left."""
    radius = 0.3
    across, down = (X - 0.5) / radius, (Y - 0.5) / radius
    away = across**2 + down**2
    normal = np.stack([across, down, np.sqrt(np.clip(1 - away, 0, 1))], -1)
    is_black, edge = panels(normal @ turn(0.35, 0.5).T)
    leather = np.where(is_black[..., None], (0.05, 0.05, 0.06), (0.93, 0.93, 0.92))
    seam = (0.35 + 0.65 * ease(0, 0.05, edge)) * (1 - 0.35 * np.exp(-edge / 0.03))
    grain = 1 - 0.04 * noise((120, 240), 4)
    sun = (-0.5, -0.75, 0.55)
    lit = 0.28 + 0.8 * light(np.moveaxis(normal, -1, 0), sun) - 0.06 * down
    shine = 0.25 * gloss(np.moveaxis(normal, -1, 0), sun, 40)
    from_grass = np.clip(down, 0, 1)[..., None] * np.array((0.1, 0.16, 0.05))
    ball = leather * ((lit * seam * grain)[..., None] + from_grass) + shine[..., None]
    beyond, sharp = draw_lawn()
    ground = 0.5 + radius
    shadow = np.exp(-1.3 * (((X - 0.6) / 0.36) ** 2 + ((Y - ground + 0.02) / 0.075) ** 2))
    scene = beyond * (1 - 0.75 * shadow)[..., None]
    scene = mix(scene, ball, ease(1.006, 0.994, np.sqrt(away)))
    shade = 1 - 0.5 * np.exp(-(((X - 0.6) / 0.36) ** 2) - ((Y - ground) / 0.06) ** 2)
    return mix(scene, sharp[..., :3] * shade[..., None], sharp[..., 3] * ease(0.74, 0.8, Y))


def panels(point: Array) -> tuple[Array, Array]:
    """Tell for points on the ball whether they are on a pentagon, and how far from a seam.

    A truncated icosahedron of edge 1 has its pentagons at 2.32744 and its hexagons at 2.26728 from
    its middle: what is nearer to a panel's plane, scaled by that, belongs to it.
    """
    golden = (1 + 5**0.5) / 2
    corners = np.array(
        [
            one
            for a in (-1, 1)
            for b in (-golden, golden)
            for one in ((0, a, b), (a, b, 0), (b, 0, a))
        ]
    )
    corners /= np.linalg.norm(corners[0])
    neighbours = corners @ corners.T > 0.4
    faces = np.array(
        [
            corners[i] + corners[j] + corners[k]
            for i in range(12)
            for j in range(i)
            for k in range(j)
            if neighbours[i, j] and neighbours[i, k] and neighbours[j, k]
        ]
    )
    faces /= np.linalg.norm(faces[0])
    pentagons, hexagons = point @ corners.T / 2.32744, point @ faces.T / 2.26728
    nearest = np.sort(np.concatenate([pentagons, hexagons], -1), -1)
    is_black = pentagons.max(-1) > hexagons.max(-1)
    return is_black, (nearest[..., -1] - nearest[..., -2]) * 2.3


def draw_lawn() -> tuple[Array, Array]:
    """Draw grass that is blurred far away, and blades with alpha that stand before the ball."""
    chance = np.random.default_rng(1)
    image = Image.new("RGB", (FINE, FINE), (40, 80, 22))
    for along in np.linspace(0, 1, 26000):
        size = (0.25 + 0.75 * along) * FINER
        foot = (chance.uniform(-0.05, 1.05), 0.28 + 0.77 * along)
        draw_blade(image, chance, foot, chance.uniform(8, 26) * size, 0.75 + 0.35 * along)
    near, far = blur(to_array(image), 3), blur(to_array(image), 14)
    lawn = mix(mix(far, near, ease(0.38, 0.6, Y)), to_array(image), ease(0.62, 0.8, Y))
    trees = blur(mix((0.12, 0.26, 0.1), (0.35, 0.52, 0.25), noise((4, 9, 20), 9)), 12)
    before = Image.new("RGBA", (FINE, FINE))
    for _ in range(2500):
        foot = (chance.uniform(0.15, 0.85), chance.uniform(0.795, 0.85))
        draw_blade(before, chance, foot, chance.uniform(14, 46) * FINER, 0.95)
    return mix(trees, lawn, ease(0.24, 0.36, Y)), to_array(before)


def draw_blade(
    image: Image.Image,
    chance: np.random.Generator,
    foot: tuple[float, float],
    height: float,
    brightness: float,
) -> None:
    """Draw one blade of grass, `height` fine pixels high and bent to either side."""
    x, y = foot[0] * FINE, foot[1] * FINE
    bend = chance.normal(0, 0.3) * height
    tone = brightness * chance.uniform(0.55, 1.15)
    green = [int(np.clip(tone * chance.normal(one, 10), 0, 255)) for one in (70, 132, 38)]
    points = [(x, y), (x + bend * 0.5, y - height * 0.6), (x + bend, y - height)]
    ImageDraw.Draw(image).line(points, fill=tuple(green), width=max(1, int(height / 14)))


# A jack-o'-lantern at night

LEFT_EYE = [(0.30, 0.50), (0.43, 0.50), (0.375, 0.385)]
NOSE = [(0.465, 0.575), (0.535, 0.575), (0.50, 0.51)]
HALF_MOUTH = [
    (0.50, 0.64), (0.455, 0.64), (0.395, 0.635), (0.39, 0.665), (0.335, 0.655),
    (0.33, 0.61), (0.285, 0.615), (0.235, 0.575), (0.265, 0.68), (0.34, 0.745), (0.395, 0.755),
    (0.40, 0.715), (0.45, 0.72), (0.455, 0.768), (0.50, 0.768),
]  # fmt: skip
TOOTH = [(0.455, 0.63), (0.545, 0.63), (0.545, 0.685), (0.455, 0.685)]
STEM = [
    (0.455, 0.285), (0.475, 0.23), (0.478, 0.17), (0.50, 0.135), (0.555, 0.12), (0.575, 0.15),
    (0.535, 0.175), (0.53, 0.23), (0.55, 0.285), (0.50, 0.30),
]  # fmt: skip


def draw_lantern() -> Array:
    """Draw a ribbed pumpkin with a face cut into it and a candle inside."""
    scene = mix(draw_night(), *ribbed_skin())
    face = cover([LEFT_EYE, mirror(LEFT_EYE), NOSE, HALF_MOUTH, mirror(HALF_MOUTH)], 1.2)
    face = face * (1 - cover([TOOTH], 1.2))
    fire = np.exp(-(((X - 0.5) / 0.28) ** 2) - ((Y - 0.68) / 0.2) ** 2)
    scene = mix(scene, mix((0.75, 0.3, 0.03), (0.99, 0.62, 0.15), fire), face)
    # What is seen of the inside lies higher than the cut: the rest is the skin's thickness.
    inside = face * np.roll(face, int(-0.012 * FINE), 0) * np.roll(face, int(0.006 * FINE), 0)
    scene = mix(scene, mix((0.95, 0.45, 0.05), (1, 0.92, 0.5), fire), inside)
    scene = scene + blur(face, 16)[..., None] * np.array((0.36, 0.16, 0.016))
    fibres = 0.6 + 0.4 * np.sin((X - 0.12 * np.sin(Y * 9)) * 260)
    wood = mix((0.16, 0.2, 0.07), (0.45, 0.48, 0.22), np.clip((0.56 - X) / 0.1, 0, 1) * fibres)
    return mix(scene, wood, cover([STEM], 2))


def draw_night() -> Array:
    """Draw a dark room and a wooden table on which the lantern's light falls."""
    room = mix((0.03, 0.03, 0.07), (0.1, 0.08, 0.16), noise((3, 6, 10), 4) * ease(1, 0, Y))
    grain = 0.5 + 0.5 * np.sin((Y * 60 + 3 * noise((2, 5, 9), 6)) * 6)
    table = ease(0.7, 0.72, Y)
    room = blur(mix(room, mix((0.1, 0.06, 0.03), (0.2, 0.11, 0.05), grain), table), 3)
    pool = np.exp(-(((X - 0.5) / 0.42) ** 2) - ((Y - 0.8) / 0.1) ** 2) * table
    return room + pool[..., None] * np.array((0.5, 0.22, 0.03))


def ribbed_skin() -> tuple[Array, Array]:
    """Draw nine ribs, the nearer before the others; returns their colours and where they are."""
    depth, where = np.full((FINE, FINE), -9.0), np.zeros((FINE, FINE))
    normal = np.zeros((3, FINE, FINE))
    for angle in np.linspace(-np.pi / 2, np.pi / 2, 9):
        turned, near = np.sin(angle), np.cos(angle)
        across = (X - 0.5 - turned * 0.26) / (0.36 * (0.3 + 0.02 * near))
        down = (Y - 0.54 - 0.012 * near) / (0.285 * (0.93 + 0.07 * near))
        away = across**2 + np.abs(down) ** 2.4
        height = np.sqrt(np.clip(1 - away, 0, 1))
        front = (away < 1) & (height * 0.5 + near * 0.6 > depth)
        slope = unit((across * 0.75 + turned * 0.55, down * 0.9, height * 0.8 + 0.25 * near))
        normal = np.where(front, slope, normal)
        depth = np.where(front, height * 0.5 + near * 0.6, depth)
        where = np.maximum(where, ease(1.01, 0.985, away))
    moon = (-0.4, -0.7, 0.6)
    skin = mix((0.8, 0.32, 0.03), (0.95, 0.48, 0.08), noise((5, 20, 90), 12))
    skin = skin * (0.14 + 0.75 * light(normal, moon))[..., None]
    skin = skin + 0.18 * gloss(normal, moon, 25)[..., None]
    raised = np.clip(depth * 0.8, 0, 1)
    return skin * (1 - np.clip(5 * (blur(raised, 6) - raised), 0, 0.6))[..., None], where


def mirror(outline: Outline) -> Outline:
    """Turn an outline's left into its right."""
    return [(1 - x, y) for x, y in outline]


if __name__ == "__main__":
    main()
