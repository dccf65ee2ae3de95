"""The page at /, in a real browser, as a person uses it."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Page
from tests.live_server import LiveServer
from tests.pictures import alpha_png, jpeg, tiff

# What is shown, row by row: the class, its percentage and how wide its bar is, as a share of 1.
_ROWS = """
return [...document.querySelectorAll('#classes li')].map((row) => {
  const [bar, fill] = [row.querySelector('.bar'), row.querySelector('.fill')];
  return [row.querySelector('.label').textContent, row.querySelector('.percent').textContent,
          parseFloat(fill.style.width) / 100];
});
"""
_SIZES = """
return [...document.querySelectorAll('#classes .label')].map((one) =>
  parseFloat(getComputedStyle(one).fontSize));
"""
# Copies a picture as another program does: `arguments[0]` is where to get it.
_COPY = """
const done = arguments[arguments.length - 1];
fetch(arguments[0]).then((answer) => answer.blob())
  .then((blob) => navigator.clipboard.write([new ClipboardItem({'image/png': blob})]))
  .then(() => done('copied'), (error) => done(String(error)));
"""
_SELECTED = """
return [...document.querySelectorAll('[role=tab][aria-selected=true]')].map((one) =>
  [one.id, one.tabIndex, document.querySelector('[role=tabpanel]:not([hidden])').id]);
"""


def test_a_picked_picture_gets_five_bars(server: LiveServer, page: Page, digits: Path) -> None:
    """The bars are the API's five classes, best first, with its confidences."""
    picture = digits / "sample-eight.png"
    page.open(server.url)
    page.pick(picture)
    page.wait_until_shown("#result")
    expected = server.upload(picture.read_bytes()).json["predictions"]
    assert len(expected) == 5
    _assert_rows(page, expected)
    assert page.text("#progress").startswith("The most likely classes: eight 99.0%, ")
    assert page.at("progress").find_element("xpath", "..").get_attribute("role") == "status"
    assert page.text("#preview-caption").startswith("PNG, 200 ")
    assert page.run("return document.getElementById('preview-image').naturalWidth") == 200


def test_all_other_classes_are_the_last_bar(server: LiveServer, page: Page, digits: Path) -> None:
    """What is left over is told with its number of classes, so that the bars add up."""
    page.open(server.url)
    page.pick(digits / "sample-five.png")
    page.wait_until_shown("#others")
    left = 1 - sum(width for _, _, width in page.run(_ROWS))
    assert page.text("#others .label") == "5 other classes"
    assert page.text("#others .percent") == f"{left * 100:.1f}%"
    width = page.run("return document.querySelector('#others .fill').style.width")
    assert float(width.removesuffix("%")) == pytest.approx(left * 100, abs=0.01)


def test_doubt_is_said(server: LiveServer, page: Page, digits: Path, tmp_path: Path) -> None:
    """Noise is no digit: "Not sure" stands above the candidates, and none stands out."""
    noise = tmp_path / "noise.jpg"
    noise.write_bytes(jpeg(200, 150, 38))
    page.open(server.url)
    page.pick(noise)
    page.wait_until_shown("#result")
    assert page.text("#verdict") == "Not sure"
    assert page.shown("#doubt")
    assert page.text("#progress").startswith("Not sure. The most likely classes: ")
    assert len(page.run(_ROWS)) == 5
    assert page.run(_SIZES)[0] == page.run(_SIZES)[1]
    page.pick(digits / "sample-five.png")
    page.wait(lambda: page.text("#verdict") == "Most likely classes", "doubt stayed")
    assert not page.shown("#doubt")
    assert page.run(_SIZES)[0] > page.run(_SIZES)[1] * 1.2


@pytest.mark.parametrize(
    ("confidence", "count", "is_sure"),
    [(0.29, 1000, False), (0.31, 1000, True), (0.36, 10, False), (0.38, 10, True),
     (0.64, 2, False), (0.66, 2, True), (1, 1, True), (0.29, 0, False), (0.31, 0, True)],
)  # fmt: skip
def test_doubt_counts_from_a_blind_guess(
    server: LiveServer, page: Page, confidence: float, count: int, is_sure: bool
) -> None:
    """Half of two classes is a guess, half of a thousand an answer; 0 is an unknown number."""
    page.open(server.url)
    ask = (
        "const [confidence, count, done] = arguments;"
        "import('/static/classes.js').then((one) => done(one.isSure(confidence, count)))"
    )
    assert page.driver.execute_async_script(ask, confidence, count) == is_sure


@pytest.mark.weights
def test_an_imagenet_model_has_samples_and_doubts(
    imagenet: LiveServer, page: Page, digits: Path
) -> None:
    """It is sure of a drawn balloon; to a digit it says "Not sure", and 995 other classes."""
    page.open(imagenet.url)
    assert len(page.driver.find_elements("class name", "sample")) == 3
    page.try_sample()
    page.wait_until_shown("#result")
    assert page.text("#classes .label") == "balloon"
    assert page.text("#verdict") == "Most likely classes"
    assert page.text("#others .label") == "995 other classes"
    page.pick(digits / "sample-three.png")
    page.wait(lambda: page.text("#verdict") == "Not sure", "no doubt was said")


def test_model_and_times_are_shown(server: LiveServer, page: Page, digits: Path) -> None:
    """The page names who answered; how long each step took is folded away, as the answer says."""
    page.open(server.url)
    assert page.text("#model") == "digits, version 1, healthy"
    page.pick(digits / "sample-five.png")
    page.wait_until_shown("#result")
    answer = json.loads(page.text("#raw"))
    assert page.text(".by") == "Answered by digits"
    assert page.at("by-name").get_attribute("title").startswith("digits, version 1, weights ")
    assert page.text("#times-title").startswith("Took ")
    assert not page.shown("#timing")
    page.at("times-title").click()
    page.wait_until_shown("#timing")
    steps = page.run(
        "return [...document.querySelectorAll('#timing > div')]"
        ".map((pair) => [...pair.children].map((one) => one.textContent))"
    )
    assert [name for name, _ in steps] == ["queue", "decode", "inference", "total"]
    for name, words in steps:
        assert float(words.removesuffix(" ms")) == pytest.approx(
            answer["timing_ms"][name], abs=0.051
        )
    assert not page.shown("#banner")


def test_the_sample_is_one_click_away(server: LiveServer, page: Page, digits: Path) -> None:
    """Each button sends the sample that it shows."""
    page.open(server.url)
    page.try_sample(3)
    page.wait_until_shown("#result")
    sample = (digits / "sample-three.png").read_bytes()
    _assert_rows(page, server.upload(sample).json["predictions"])
    assert page.run(_ROWS)[0][0] == "three"


def test_a_pasted_picture_is_taken(server: LiveServer, page: Page) -> None:
    """Ctrl+V of a copied picture is enough."""
    page.open(server.url)
    page.allow_clipboard()
    assert page.driver.execute_async_script(_COPY, "sample") == "copied"
    page.paste()
    page.wait_until_shown("#result")
    assert page.run(_ROWS)[0][0] == "eight"


def test_a_dropped_picture_is_taken(server: LiveServer, page: Page, digits: Path) -> None:
    """A picture may fall anywhere, and the page stays."""
    page.open(server.url)
    page.drop(digits / "sample-three.png")
    page.wait_until_shown("#result")
    assert page.run(_ROWS)[0][0] == "three"
    assert page.driver.current_url == f"{server.url}/"
    assert not page.shown(".drop.over")


def test_keyboard_alone_is_enough(server: LiveServer, page: Page) -> None:
    """Tab and Enter reach everything in reading order, and the focus is always seen."""
    page.open(server.url)
    page.press(Keys.TAB)
    assert _outline(page, ".brand") == "solid"
    page.press(Keys.TAB)
    assert page.focused_id() == "model-name"
    page.press(Keys.TAB)
    assert page.focused_id() == "file"
    assert _outline(page, "label[for=file]") == "solid"
    page.press(Keys.TAB)
    assert page.focused_id() == "folder"
    assert _outline(page, "label[for=folder]") == "solid"
    page.press(Keys.TAB)
    assert _outline(page, ".sample") == "solid"
    page.press(Keys.ENTER)
    page.wait_until_shown("#explain")
    page.press(Keys.TAB, Keys.TAB, Keys.TAB, Keys.TAB)
    assert page.focused_id() == "explain"
    page.press(Keys.TAB)
    assert page.focused_id() == "times-title"
    page.press(Keys.ENTER)
    assert page.shown("#timing")
    page.press(Keys.TAB, Keys.ENTER)
    assert page.shown("#raw")
    page.press(Keys.TAB, Keys.TAB, Keys.ENTER)
    page.wait(lambda: page.text("#copied") == "Copied.", "nothing was copied")
    page.press(Keys.TAB)
    assert page.focused_id() == "tab-curl"
    assert _outline(page, "#tab-curl") == "solid"


def test_tabs_go_by_arrow_keys(server: LiveServer, page: Page) -> None:
    """One tab is in the order of Tab; arrows, Home and End choose, and show what is chosen."""
    page.open(server.url)
    page.at("tab-curl").click()
    for key, name in (
        (Keys.ARROW_RIGHT, "python"), (Keys.ARROW_RIGHT, "javascript"), (Keys.ARROW_RIGHT, "curl"),
        (Keys.ARROW_LEFT, "javascript"), (Keys.HOME, "curl"), (Keys.END, "javascript"),
    ):  # fmt: skip
        page.press(key)
        assert page.focused_id() == f"tab-{name}"
        assert page.run(_SELECTED) == [[f"tab-{name}", 0, f"panel-{name}"]]
        assert page.shown(f"#{name}")
    page.press(Keys.TAB)
    assert page.focused_id() == "javascript"


@pytest.mark.parametrize("name", ["curl", "python", "javascript"])
def test_each_snippet_can_be_copied(server: LiveServer, page: Page, name: str) -> None:
    """Copy puts the code on the clipboard, with the service's own address."""
    page.open(server.url)
    page.allow_clipboard()
    page.at(f"tab-{name}").click()
    button = page.driver.find_element("css selector", f"[data-copy={name}]")
    button.click()
    page.wait(lambda: page.text("#copied") == "Copied.", "nothing was copied")
    assert button.text.startswith("Copied")
    assert page.clipboard() == page.at(name).get_property("textContent")
    assert f"{server.url}/predict" in page.clipboard()
    if name == "curl":
        assert page.clipboard() == f"curl -F file=@photo.jpg {server.url}/predict"


def test_the_answer_can_be_copied(server: LiveServer, page: Page) -> None:
    """What is copied is the API's JSON."""
    page.open(server.url)
    page.allow_clipboard()
    page.try_sample()
    page.wait_until_shown("#result")
    page.driver.find_element("css selector", "#json summary").click()
    page.driver.find_element("css selector", "[data-copy=raw]").click()
    page.wait(lambda: page.text("#copied") == "Copied.", "nothing was copied")
    assert json.loads(page.clipboard())["predictions"][0]["class_name"] == "eight"


def test_without_a_clipboard_the_old_way_is_taken(server: LiveServer, page: Page) -> None:
    """On plain HTTP, where browsers give pages no clipboard, the text is selected and copied."""
    page.open(server.url)
    page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.driver.find_element("css selector", "[data-copy=curl]").click()
    page.wait(lambda: page.text("#copied").startswith(("Copied", "Selected")), "nothing happened")
    assert page.run("return getSelection().toString()").startswith("curl -F file=@photo.jpg ")


def test_a_broken_picture_is_explained(server: LiveServer, page: Page, tmp_path: Path) -> None:
    """The problem's title, detail and code are shown, and a good picture takes their place."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(jpeg()[:-40])
    page.open(server.url)
    page.pick(broken)
    page.wait_until_shown("#failure")
    problem = server.upload(broken.read_bytes()).json
    assert problem["code"] == "invalid_image"
    assert page.text("#failure-title") == problem["title"]
    assert page.text("#failure-detail") == problem["detail"]
    assert page.text("#failure-more").startswith("Code invalid_image, request ")
    assert page.at("failure").get_attribute("role") == "alert"
    assert not page.shown("#again, #result")
    page.try_sample()
    page.wait_until_shown("#result")
    assert not page.shown("#failure")


def test_a_file_too_large_is_told_its_limit(server: LiveServer, page: Page, tmp_path: Path) -> None:
    """A file over the limit is refused with its size and what is accepted."""
    large = tmp_path / "large.jpg"
    large.write_bytes(jpeg() + bytes(11 * 1024**2))
    page.open(server.url)
    page.pick(large)
    page.wait_until_shown("#failure")
    assert page.text("#failure-title") == "The upload has too many bytes."
    assert "This file has 11 MB; at most 10 MB are accepted." in page.text("#failure-detail")
    assert page.text("#failure-more").startswith("Code file_too_large")


def test_a_format_that_the_browser_cannot_show_is_still_answered(
    server: LiveServer, page: Page, tmp_path: Path
) -> None:
    """A TIFF has an answer, and no broken preview."""
    file = tmp_path / "scan.tiff"
    file.write_bytes(tiff())
    page.open(server.url)
    page.pick(file)
    page.wait_until_shown("#result")
    page.wait(lambda: not page.shown("#preview-image"), "a broken preview is shown")
    assert page.text("#preview-caption").startswith("TIFF, ")


def test_no_answer_is_explained_and_can_be_tried_again(
    server: LiveServer, page: Page, digits: Path
) -> None:
    """Without a network the page says so; with it, Try again sends the same picture."""
    page.open(server.url)
    page.wait_until_shown("#drop")
    page.set_online(is_online=False)
    page.pick(digits / "sample-zero.png")
    page.wait_until_shown("#failure")
    assert page.text("#failure-title") == "No answer came."
    page.set_online(is_online=True)
    page.at("again").click()
    page.wait_until_shown("#result")
    assert page.focused_id() == "outcome"
    assert page.run(_ROWS)[0][0] == "zero"


def test_nothing_reaches_the_console(server: LiveServer, page: Page, tmp_path: Path) -> None:
    """A visit with an answer leaves the console empty, the policy unbroken, and loads no more."""
    file = tmp_path / "see-through.png"
    file.write_bytes(alpha_png((200, 30, 30, 90)))
    page.open(server.url)
    page.pick(file)
    page.wait_until_shown("#result")
    assert page.console() == []
    loaded = page.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [one for one in loaded if not one.startswith((server.url, "blob:"))] == []


def test_injected_script_does_not_run(server: LiveServer, page: Page) -> None:
    """The policy stops a script and a style that are written into the page."""
    page.open(server.url)
    page.wait_until_shown("#drop")
    ran = page.run(
        "const script = document.createElement('script');"
        "script.textContent = 'document.title = 1'; document.body.append(script);"
        "document.body.setAttribute('style', 'color: red');"
        "return [document.title === '1', getComputedStyle(document.body).color]"
    )
    assert ran == [False, "rgb(27, 32, 39)"]
    refused = [one["message"] for one in page.console()]
    assert len([one for one in refused if "Content Security Policy" in one]) == 2


def test_without_javascript_the_page_tells_how_to_use_curl(server: LiveServer, page: Page) -> None:
    """No dead button is shown; the command has the service's address."""
    page.tell("Emulation.setScriptExecutionDisabled", value=True)
    page.open(server.url)
    assert page.text("#curl") == f"curl -F file=@photo.jpg {server.url}/predict"
    assert page.text("#model") == "digits, version 1, healthy"
    assert "needs JavaScript" in page.text("noscript")
    assert page.shown("noscript p")
    assert not page.shown("#drop, .copy, #outcome, .tabs, #python, #key-form")
    page.resize(360, 740, is_phone=True)
    assert page.shown("#curl")


def _assert_rows(page: Page, expected: list[dict[str, Any]]) -> None:
    rows = page.run(_ROWS)
    assert [name for name, _, _ in rows] == [one["class_name"] for one in expected]
    for (_, words, width), one in zip(rows, expected, strict=True):
        assert words == f"{one['confidence'] * 100:.1f}%"
        assert width == pytest.approx(one["confidence"], abs=1e-4)


def _outline(page: Page, selector: str) -> str:
    found = page.run(f"return getComputedStyle(document.querySelector('{selector}')).outlineStyle")
    return str(found)
