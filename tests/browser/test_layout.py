"""How the pages look: on phones and desktops, light and dark, to eyes and to screen readers."""

import re
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from tests.browser.chromium import Page
from tests.live_server import LiveServer

PATHS = ["", "info", "health", "docs/errors", "nothing", "predict"]
SIZES = [(320, 640), (360, 740), (1000, 800)]

# The shown words that stand on more than one line.
BROKEN_WORDS = r"""
const broken = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const { data, parentElement } = texts.currentNode;
  if (!parentElement.checkVisibility() || parentElement.closest('.unseen')) continue;
  for (const { index, 0: word } of data.matchAll(/[A-Za-z0-9_]+/g)) {
    const range = document.createRange();
    range.setStart(texts.currentNode, index);
    range.setEnd(texts.currentNode, index + word.length);
    const tops = new Set([...range.getClientRects()].map((one) => Math.round(one.top)));
    if (tops.size > 1) broken.push(word);
  }
}
return broken;
"""
CHECK = """
const done = arguments[arguments.length - 1];
axe.run().then((found) => done(found.violations.map((one) =>
  `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`)));
"""
_BOX = "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_word_breaks_and_nothing_sticks_out(
    server: LiveServer, page: Page, path: str, width: int, height: int
) -> None:
    """Words stand on one line, and no page scrolls sideways; only hashes and ids may be cut."""
    page.resize(width, height, is_phone=width < 500)
    page.driver.get(f"{server.url}/{path}")
    assert page.content_width() == width
    assert [
        word for word in page.run(BROKEN_WORDS) if not re.fullmatch("[0-9a-f]{32,}", word)
    ] == []


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_an_answer_fits_too(
    server: LiveServer, page: Page, digits: Path, width: int, height: int
) -> None:
    """So it is with an answer and all that is folded away, and with a word of 300 letters."""
    page.resize(width, height, is_phone=width < 500)
    page.open(server.url)
    page.pick(digits / "sample-eight.png")
    page.wait_until_shown("#result")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert [
        word for word in page.run(BROKEN_WORDS) if not re.fullmatch("[0-9a-f]{32,}", word)
    ] == []
    page.run("document.querySelector('.label').textContent = 'x'.repeat(300)")
    assert page.content_width() == width


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_comparison_fits_too(several: LiveServer, page: Page, width: int, height: int) -> None:
    """So it is with two answers and the lists of models, and with names of 64 letters."""
    page.resize(width, height, is_phone=width < 500)
    page.driver.get(f"{several.url}/?compare=numerals@2")
    page.wait_until_shown("#picker")
    page.try_sample()
    page.wait_until_shown("#agreement")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert [
        word for word in page.run(BROKEN_WORDS) if not re.fullmatch("[0-9a-f]{32,}", word)
    ] == []
    page.run(
        "for (const one of document.querySelectorAll('.who')) one.textContent = 'x'.repeat(64)"
    )
    page.run("document.querySelector('#agreement').textContent = 'x'.repeat(64)")
    page.run("document.querySelector('#chosen option').text = 'x'.repeat(64)")
    assert page.content_width() == width


@pytest.mark.parametrize("width", [320, 360])
def test_a_stand_in_on_a_phone_fits(guarded: LiveServer, page: Page, width: int) -> None:
    """The banner and the key's field are as wide as the phone."""
    page.resize(width, 640, is_phone=True)
    page.open(guarded.url)
    assert page.shown("#banner")
    assert page.shown("#key-form")
    assert page.content_width() == width
    assert page.run(BROKEN_WORDS) == []


@pytest.mark.parametrize("width", [320, 1000])
def test_the_head_is_one_line(server: LiveServer, page: Page, width: int) -> None:
    """However long the model's name is, the head stays as high and cuts the name instead."""
    page.resize(width, 740, is_phone=width < 500)
    page.open(server.url)
    before = page.run(_BOX, ".masthead")["height"]
    page.run("document.getElementById('model-name').textContent = 'my-own-birds-'.repeat(9)")
    assert page.run(_BOX, ".masthead")["height"] == before
    assert page.content_width() == width
    status = page.run(_BOX, "#model-status")
    assert status["right"] <= width


def test_a_phone_may_take_a_photo_and_has_no_terminal(server: LiveServer, page: Page) -> None:
    """The camera is offered where there is touch, code where there is room for it."""
    page.open(server.url)
    assert not page.shown("label[for=camera]")
    assert page.shown("#code")
    page.resize(360, 740, is_phone=True)
    page.open(server.url)
    assert page.shown("label[for=camera]")
    assert not page.shown("#code")
    camera = page.at("camera")
    assert camera.get_attribute("capture") == "environment"
    assert camera.get_attribute("accept") == "image/*"


def test_a_photo_is_sent_like_a_file(server: LiveServer, page: Page, digits: Path) -> None:
    """What the camera gives is classified at once."""
    page.resize(360, 740, is_phone=True)
    page.open(server.url)
    page.at("camera").send_keys(str(digits / "sample-three.png"))
    page.wait_until_shown("#result")
    assert page.text("#classes .label") == "three"


@pytest.mark.parametrize(("width", "height", "least"), [(1000, 800, 380), (360, 740, 290)])
def test_the_picture_is_large_and_the_answer_in_sight(
    server: LiveServer, page: Page, digits: Path, width: int, height: int, least: int
) -> None:
    """Beside or below the picture the best class is seen at once, and the head is not cut off."""
    page.resize(width, height, is_phone=width < 500)
    page.open(server.url)
    page.pick(digits / "sample-eight.png")
    page.wait_until_shown("#result")
    page.wait(lambda: page.run(_BOX, "#preview-image")["width"] >= least, "the picture is small")
    assert page.run("return scrollY") == 0
    assert page.run(_BOX, ".classes li")["bottom"] <= height


def test_an_answer_never_cuts_off_the_head(server: LiveServer, page: Page, digits: Path) -> None:
    """Who has scrolled down and drops a picture sees its answer, and the whole head above it."""
    page.resize(1000, 500)
    page.open(server.url)
    page.run("scrollTo(0, document.documentElement.scrollHeight)")
    assert page.run("return scrollY") > 0
    page.drop(digits / "sample-three.png")
    page.wait_until_shown("#result")
    page.wait(lambda: page.run("return scrollY") == 0, "the head is cut off")


def test_dark_mode_and_still_bars_are_respected(
    server: LiveServer, page: Page, digits: Path
) -> None:
    """The page is dark where that is preferred, and bars grow only where motion is welcome."""
    page.open(server.url)
    light = _background(page)
    page.prefer(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    assert sum(_background(page)) < 100 < sum(light) - 500
    page.pick(digits / "sample-eight.png")
    page.wait_until_shown("#result")
    moves = "return getComputedStyle(document.querySelector('.fill')).animationName"
    assert page.run(moves) == "none"
    page.prefer(prefers_reduced_motion="no-preference")
    assert page.run(moves) == "grow"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(
    server: LiveServer, page: Page, digits: Path, tmp_path: Path, axe: str, scheme: str
) -> None:
    """Empty, with an answer, with doubt, with a failure and a key asked for: no rule is broken."""
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.open(server.url)
    page.run(axe)
    assert page.driver.execute_async_script(CHECK) == []
    page.pick(digits / "sample-eight.png")
    page.wait_until_shown("#result")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    page.at("tab-python").click()
    assert page.driver.execute_async_script(CHECK) == []
    page.run("document.getElementById('result').className = 'unsure'")
    page.at("tab-javascript").click()
    page.run("for (const id of ['doubt', 'stand-in']) document.getElementById(id).hidden = false")
    assert page.driver.execute_async_script(CHECK) == []
    text = tmp_path / "text.txt"
    text.write_text("no picture")
    page.pick(text)
    page.wait_until_shown("#failure")
    for hidden in ("key-form", "key-set", "again-line"):
        page.run("document.getElementById(arguments[0]).hidden = false", hidden)
    assert page.driver.execute_async_script(CHECK) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_in_a_comparison(
    several: LiveServer, page: Page, digits: Path, tmp_path: Path, axe: str, scheme: str
) -> None:
    """With two answers, and with a failure in one column and a word on why in the other."""
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.driver.get(f"{several.url}/?compare=numerals@2")
    page.wait_until_shown("#picker")
    page.run(axe)
    assert page.driver.execute_async_script(CHECK) == []
    page.pick(digits / "sample-eight.png")
    page.wait_until_shown("#agreement")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.driver.execute_async_script(CHECK) == []
    text = tmp_path / "text.txt"
    text.write_text("no picture")
    page.pick(text)
    page.wait_until_shown("#failure")
    page.wait_until_shown("#progress-2")
    assert page.text("#progress-2") == "Not asked, because the other model gave no answer."
    assert page.driver.execute_async_script(CHECK) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_among_many_pictures(
    server: LiveServer, page: Page, digits: Path, tmp_path: Path, axe: str, scheme: str
) -> None:
    """With tiles, failures, all that may be said above them, a closer look and a heatmap."""
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    text = tmp_path / "text.txt"
    text.write_text("no picture")
    files = [text, *sorted(digits.glob("sample-*.png"))]
    page.open(server.url)
    page.run(axe)
    page.at("file").send_keys("\n".join(map(str, files)))
    page.wait(lambda: page.text("#many-count") == "4 classified, 1 failed", "it was not ended")
    hidden = ("cancel", "resume", "many-progress", "many-wait", "many-failure", "many-left-out")
    page.run("for (const id of arguments[0]) document.getElementById(id).hidden = false", hidden)
    page.run("for (const one of document.querySelectorAll('.note p')) one.textContent = 'Why.'")
    assert page.driver.execute_async_script(CHECK) == []
    page.driver.find_elements("css selector", ".tile button")[1].click()
    page.wait_until_shown("#explain")
    page.at("explain").click()
    page.wait_until_shown("#heat")
    assert page.driver.execute_async_script(CHECK) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS[1:])
def test_axe_finds_no_barrier_on_the_other_pages(
    server: LiveServer, page: Page, axe: str, path: str, scheme: str
) -> None:
    """So it is with what the foot leads to, and with failures."""
    page.prefer(prefers_color_scheme=scheme)
    page.driver.get(f"{server.url}/{path}")
    page.run(axe)
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.driver.execute_async_script(CHECK) == []


def test_the_foot_leads_to_pages(server: LiveServer, page: Page) -> None:
    """Each link is followed to something written for people, and back by the mark in the head."""
    page.open(server.url)
    for number in range(4):
        link = page.driver.find_elements("css selector", "footer nav a")[number]
        link.click()
        assert page.driver.title.startswith("topfive")
        assert not page.text("body").startswith("{")
        if page.driver.find_elements("css selector", "a.brand"):
            page.driver.find_element("css selector", "a.brand").click()
        else:
            page.driver.back()
        assert page.driver.current_url == f"{server.url}/"


def _background(page: Page) -> list[int]:
    colour = page.run("return getComputedStyle(document.body).backgroundColor")
    return [int(one) for one in re.findall(r"\d+", colour)]
