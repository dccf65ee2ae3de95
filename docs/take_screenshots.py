"""Takes the pictures of the page in docs/images: `make screenshots`.

It starts the service on port 5000 with MobileNetV2's weights from TOPFIVE_TEST_WEIGHTS, and has a
real Chromium try the samples, one of them with its heatmap, send a drawn seven, of which the model
cannot be sure, and eight pictures at once: the samples in two forms each, the seven, and a file
that was cut off. Then it compares two versions of a model: the same weights, for pictures of
another size. Last it reviews: a history of made-up predictions, and the drawn seven.
"""

import io
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from docs.made_up_history import write_history  # noqa: E402
from tests.browser.chromium import Page, find_programs, run_chromium  # noqa: E402
from tests.live_server import LiveServer, run_server  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SIDE = 480
STROKE = 60
# Finer than the picture, for smooth edges.
FINER = 3
PAPER, INK = "#f7f3ea", "#22262e"
SEVEN = ((155, 120), (320, 115), (270, 230), (220, 385))
DESKTOP, TALL, PHONE = (900, 760), (900, 1300), (360, 740)
SAMPLES = ("balloon", "soccer-ball", "jack-o-lantern")
_HEIGHT = "return document.documentElement.scrollHeight"
_IS_SHOWN = "return document.getElementById('preview-image').complete"
# The tiles within the window whose picture is not drawn yet.
_UNDRAWN = """
return [...document.querySelectorAll('.tile[data-state=answered] .thumbnail')].filter((one) =>
  one.getBoundingClientRect().top < innerHeight && !one.querySelector('img')).length;
"""


def main() -> None:
    """Write page-light.png, page-dark.png, page-phone.png and the like."""
    programs, weights = find_programs(), os.environ.get("TOPFIVE_TEST_WEIGHTS")
    if programs is None:
        sys.exit("Install chromium and chromedriver (Debian: chromium-driver).")
    if not weights:
        sys.exit("Set TOPFIVE_TEST_WEIGHTS to a .pth file of MobileNetV2 trained on ImageNet.")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder, weights = Path(name), str(Path(weights).resolve())
        with run_chromium(programs, folder / "profile") as page:
            with run_server(folder, weights=weights, port="5000") as server:
                warm_up(server)
                take_all(page, server.url, folder / "seven.png")
                take_many(page, server, folder / "many")
                take_heatmap(page, server.url)
            make_versions(folder, weights)
            model, models = "photos@1.0.0", "photos@1.1.0"
            with run_server(folder, model=model, models=models, port="5000") as server:
                warm_up(server)
                warm_up(server, f"?model={models}")
                take_comparison(page, f"{server.url}/?compare={models}")
            history_url = f"sqlite:///{folder / 'history.db'}"
            with run_server(folder, weights=weights, history_url=history_url) as server:
                take_review(page, server, history_url, folder / "seven.png")


def warm_up(server: LiveServer, query: str = "") -> None:
    """Have some pictures classified: the first ones are slower than usual."""
    for _ in range(20):
        server.upload(server.get("/sample").body, f"/predict{query}")


def make_versions(folder: Path, weights: str) -> None:
    """Have two versions of a model made of the same weights; the second takes smaller pictures."""
    for version, side in (("1.0.0", "224"), ("1.1.0", "96")):
        model = f"mobilenet_v2@{version}"
        sizes = {"input_resize": side, "input_crop": side}
        with run_server(folder, weights=weights, model=model, model_name="photos", **sizes):
            pass


def take_comparison(page: Page, url: str) -> None:
    """Take the page with both versions' answers to the same picture."""
    open_page(page, url, "light", DESKTOP)
    page.try_sample(1)
    page.wait_until_shown("#agreement")
    take(page, "page-comparison", DESKTOP)


def take_review(page: Page, server: LiveServer, history_url: str, seven: Path) -> None:
    """Take the page on which people label, with a picture that the model is not sure of."""
    server.upload(seven.read_bytes())
    page.wait(lambda: server.get("/predictions").json["predictions"], "nothing was kept")
    write_history(history_url)
    for name, size in (("page-review", DESKTOP), ("page-review-phone", PHONE)):
        open_page(page, f"{server.url}/review?show=newest", "light", size)
        page.at("file").send_keys(str(seven))
        page.wait_until_shown("#preview-image")
        page.wait_until_shown("#drift-told .plot")
        save(page, name, size)


def take_all(page: Page, url: str, seven: Path) -> None:
    """Take the page in light and dark, in doubt, and as a phone shows it."""
    draw_seven().save(seven)
    open_page(page, url, "light", DESKTOP)
    page.try_sample(1)
    take(page, "page-light", DESKTOP)
    open_page(page, url, "dark", DESKTOP)
    page.try_sample(3)
    take(page, "page-dark", DESKTOP)
    open_page(page, url, "light", DESKTOP)
    page.pick(seven)
    take(page, "page-not-sure", DESKTOP)
    open_page(page, url, "light", PHONE)
    page.try_sample(2)
    take(page, "page-phone", PHONE)


def take_many(page: Page, server: LiveServer, folder: Path) -> None:
    """Take the page with eight pictures, on a desktop and on a phone."""
    files = make_many(server, folder)
    for name, size in (("page-many", TALL), ("page-many-phone", PHONE)):
        open_page(page, server.url, "light", size)
        page.at("file").send_keys("\n".join(map(str, files)))
        page.wait(lambda: page.text("#many-count") == "7 classified, 1 failed", "not all came")
        page.wait(lambda: page.run(_UNDRAWN) == 0, "not all were drawn")
        save(page, name, size)


def make_many(server: LiveServer, folder: Path) -> list[Path]:
    """Write eight files: six made of the samples, a seven, and the first half of a sample."""
    folder.mkdir()
    for number, name in enumerate(SAMPLES, start=1):
        content = server.get(f"/sample/{number}").body
        (folder / f"{name}.jpg").write_bytes(content)
        sample = Image.open(io.BytesIO(content))
        edge = sample.width // 6
        near = sample.crop((edge, edge, sample.width - edge, sample.height - edge))
        near.save(folder / f"{name}-near.jpg", quality=92)
    evening = ImageEnhance.Brightness(sample).enhance(0.55)
    evening.save(folder / f"{name}-evening.jpg", quality=92)
    (folder / f"{name}.jpg").write_bytes(content[: len(content) // 2])
    draw_seven().save(folder / "seven.png")
    return sorted(folder.iterdir())


def take_heatmap(page: Page, url: str) -> None:
    """Take the page with a heatmap."""
    open_page(page, url, "light", DESKTOP)
    page.try_sample(1)
    page.wait_until_shown("#explain")
    page.at("explain").click()
    page.wait_until_shown("#heat")
    take(page, "page-heatmap", DESKTOP)


def open_page(page: Page, url: str, scheme: str, size: tuple[int, int]) -> None:
    """Open the page without animations in a window of that size."""
    page.resize(*size, is_phone=size == PHONE, scale=1.5)
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.driver.get(url)


def take(page: Page, name: str, size: tuple[int, int]) -> None:
    """Wait for the answer and write what the page shows."""
    page.wait_until_shown("#result")
    page.wait(lambda: page.run(_IS_SHOWN), "the picture was not shown")
    save(page, name, size)


def save(page: Page, name: str, size: tuple[int, int]) -> None:
    """Write all of the page, or a phone's first screen."""
    height = size[1] if size == PHONE else page.run(_HEIGHT)
    write_small(page.picture(size[0], height), IMAGES / f"{name}.png")


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
    """Write a screenshot as small as PNG can without loss."""
    Image.open(io.BytesIO(png)).convert("RGB").save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
