"""Takes the pictures of the page in docs/images: `make screenshots`.

It starts the service with the embedded model on port 5000, draws a seven that could be a one, and
has a real Chromium send it.
"""

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import Page, find_programs, run_chromium  # noqa: E402
from tests.live_server import run_server  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SIDE = 480
STROKE = 60
# Finer than the picture, for smooth edges.
FINER = 3
PAPER, INK = "#f7f3ea", "#22262e"
SEVEN = ((155, 120), (320, 115), (270, 230), (220, 385))
DESKTOP, PHONE = (900, 760), (360, 740)
COLOURS = 256
_WHOLE_PAGE = "return document.documentElement.scrollHeight"
_BELOW_ANSWER = (
    "return scrollY + 20 + document.getElementById('outcome').getBoundingClientRect().bottom"
)


def main() -> None:
    """Write page-light.png, page-dark.png and page-phone.png."""
    programs = find_programs()
    if programs is None:
        sys.exit("Install chromium and chromedriver (Debian: chromium-driver).")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seven = folder / "seven.png"
        draw_seven().save(seven)
        with (
            run_server(folder, model="digits", workers="1", port="5000") as server,
            run_chromium(programs, folder / "profile") as page,
        ):
            for _ in range(20):
                server.upload(seven.read_bytes())  # the first ones are slower than usual
            take_all(page, server.url, seven)


def take_all(page: Page, url: str, seven: Path) -> None:
    """Take the page in light and dark, and as a phone shows it."""
    for name, scheme, is_phone in (
        ("page-light", "light", False),
        ("page-dark", "dark", False),
        ("page-phone", "light", True),
    ):
        page.resize(*(PHONE if is_phone else DESKTOP), is_phone=is_phone, scale=2)
        page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        page.open(url)
        for _ in range(3):
            page.pick(seven)
            page.wait_until_shown("#result")
        height = page.run(_BELOW_ANSWER if is_phone else _WHOLE_PAGE)
        width = (PHONE if is_phone else DESKTOP)[0]
        write_small(page.picture(width, height), IMAGES / f"{name}.png")


def draw_seven() -> Image.Image:
    """Draw a seven with a round pen, 480 x 480 pixels."""
    large = Image.new("RGB", (SIDE * FINER, SIDE * FINER), PAPER)
    pen = ImageDraw.Draw(large)
    for x, y in curve(SEVEN):
        pen.circle((x * FINER, y * FINER), STROKE * FINER / 2, fill=INK)
    return large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def curve(points: tuple[tuple[int, int], ...]) -> list[tuple[float, float]]:
    """Join points by a smooth curve that passes through each of them (Catmull-Rom)."""
    around = (points[0], *points, points[-1])
    pieces = zip(around, around[1:], around[2:], around[3:], strict=False)
    return [
        (bend([p[0] for p in four], step / 60), bend([p[1] for p in four], step / 60))
        for four in pieces
        for step in range(61)
    ]


def bend(four: list[int], t: float) -> float:
    """Tell one coordinate between the second and the third of four, `t` from 0 to 1."""
    a, b, c, d = four
    cubic = -a + 3 * b - 3 * c + d
    square = 2 * a - 5 * b + 4 * c - d
    return 0.5 * (2 * b + (c - a) * t + square * t**2 + cubic * t**3)


def write_small(png: bytes, path: Path) -> None:
    """Write a screenshot in its own most frequent colours: flat areas stay as they are."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    colours, places, counts = np.unique(
        pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
    )
    kept = colours[np.argsort(-counts)[:COLOURS]].astype(int)
    # Pillow's own search for the nearest colour rounds to steps of four, and greys the white.
    nearest = np.array([np.abs(kept - one).sum(axis=1).argmin() for one in colours])
    few = Image.fromarray(nearest[places].reshape(pixels.shape[:2]).astype(np.uint8), "P")
    few.putpalette(kept.astype(np.uint8).tobytes())
    few.save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
