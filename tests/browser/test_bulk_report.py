"""The report of a bulk run in a browser: it loads nothing, fits, and can be read by all."""

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")
pytest.importorskip("matplotlib", reason="Install requirements-dev.txt to run this.")
pytest.importorskip("pyarrow", reason="Install requirements-dev.txt to run this.")

from tests.browser.chromium import Page
from tests.functional.start import run_topfive
from tests.unit.bulk.report.made_run import make_rows, make_run

_CHECK = """
const done = arguments[arguments.length - 1];
axe.run().then((found) => done(found.violations.map((one) =>
  `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`)));
"""
_ALL_IDS = "return [...document.querySelectorAll('[id]')].map((one) => one.id)"
_TEXT_COLOUR = "return getComputedStyle(document.querySelector('svg text')).fill"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report on an unfinished run with hostile names, failures and a pause."""
    folder = tmp_path_factory.mktemp("report")
    make_run(folder / "results", make_rows(600), finished=9)
    done = run_topfive(folder, "bulk", "report", "results")
    assert done.returncode == 0, done.stderr
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize(("width", "height"), [(320, 640), (360, 740), (1100, 800)])
def test_it_fits_on_phones_and_desktops(page: Page, report: str, width: int, height: int) -> None:
    """The page never scrolls sideways, whatever pictures and classes are called."""
    page.resize(width, height, is_phone=width < 500)
    page.driver.get(report)
    assert page.content_width() == width
    assert page.text("h1") == "450 pictures by tiny@1.0.0"
    assert "This run is not finished: 450 of 600 pictures" in page.text("main")


def test_plots_take_the_colours_of_the_page(page: Page, report: str) -> None:
    """In the dark their text is light, and no two things of the page have one id."""
    page.driver.get(report)
    assert page.run(_TEXT_COLOUR) == "rgb(27, 32, 39)"
    page.prefer(prefers_color_scheme="dark")
    assert page.run(_TEXT_COLOUR) == "rgb(231, 234, 238)"
    ids = page.run(_ALL_IDS)
    assert sorted(ids) == sorted(set(ids))


def test_nothing_is_loaded_from_anywhere(page: Page, report: str) -> None:
    """The browser asks for the file alone; there is no script, and none is let run."""
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
