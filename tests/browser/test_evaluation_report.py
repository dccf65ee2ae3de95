"""The report of `topfive evaluate` in a browser: it loads nothing, fits, and can be read by all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")
pytest.importorskip("matplotlib", reason="Install requirements-dev.txt to run this.")

from tests.browser.chromium import Page
from tests.functional.start import run_topfive

_CHECK = """
const done = arguments[arguments.length - 1];
axe.run().then((found) => done(found.violations.map((one) =>
  `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`)));
"""
_ALL_IDS = "return [...document.querySelectorAll('[id]')].map((one) => one.id)"
_UNSHOWN = "return [...document.images].filter((one) => !one.naturalWidth).length"
# How dark the plots' text is drawn: its red, green and blue together.
_TEXT_COLOUR = "return getComputedStyle(document.querySelector('svg text')).fill"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, numerals: Path) -> str:
    """The address of a report that holds a model against one that takes threes for fives."""
    from sklearn.datasets import load_digits

    folder, digits = tmp_path_factory.mktemp("report"), load_digits()
    names = (numerals / "numerals" / "1" / "labels.txt").read_text("utf-8").split()
    for number in range(50):
        photos = folder / "photos" / names[digits.target[number]]
        photos.mkdir(parents=True, exist_ok=True)
        pixels = (255 - digits.images[number] * 15).astype(np.uint8)
        Image.fromarray(pixels).resize((64, 96)).save(photos / f"{number}.png")
    done = run_topfive(
        folder, "evaluate", "numerals@2", "photos", "--against", "numerals@1",
        "--report", "report.html", models_dir=str(numerals),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize(("width", "height"), [(320, 640), (360, 740), (1100, 800)])
def test_it_fits_on_phones_and_desktops(page: Page, report: str, width: int, height: int) -> None:
    """The page never scrolls sideways, and every photo is shown."""
    page.resize(width, height, is_phone=width < 500)
    page.driver.get(report)
    assert page.content_width() == width
    assert page.run(_UNSHOWN) == 0
    assert page.text("h1").startswith("numerals@2")
    assert "numerals@2 is worse than numerals@1, beyond what chance explains." in page.text("main")


def test_plots_take_the_colours_of_the_page(page: Page, report: str) -> None:
    """In the dark their text is light, and no two things of the page have one id."""
    page.driver.get(report)
    assert page.run(_TEXT_COLOUR) == "rgb(27, 32, 39)"
    page.prefer(prefers_color_scheme="dark")
    assert page.run(_TEXT_COLOUR) == "rgb(231, 234, 238)"
    ids = page.run(_ALL_IDS)
    assert sorted(ids) == sorted(set(ids))


def test_nothing_is_loaded_from_anywhere(page: Page, report: str) -> None:
    """The browser asks for the file alone, and is told to refuse all else."""
    page.driver.get(report)
    assert page.run("return performance.getEntriesByType('resource').map((one) => one.name)") == []
    assert page.run("return document.scripts.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(page: Page, report: str, axe: str, scheme: str) -> None:
    """No rule of accessibility is broken, in light or dark."""
    page.prefer(prefers_color_scheme=scheme)
    page.driver.get(report)
    page.run(axe)
    assert page.driver.execute_async_script(_CHECK) == []
