"""The page at /, in a real browser, as a person uses it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Page
from tests.browser.conftest import HOSTILE_NAME, KEY
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
# Copies a picture as another program does: `arguments[0]` is where to get it.
_COPY = """
const done = arguments[arguments.length - 1];
fetch(arguments[0]).then((answer) => answer.blob())
  .then((blob) => navigator.clipboard.write([new ClipboardItem({'image/png': blob})]))
  .then(() => done('copied'), (error) => done(String(error)));
"""
_CHECK = """
const done = arguments[arguments.length - 1];
axe.run().then((found) => done(found.violations.map((one) =>
  `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`)));
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
    assert page.text("#progress").startswith("The most likely classes: eight 95.3%, ")
    assert page.at("progress").find_element("xpath", "..").get_attribute("role") == "status"
    assert page.text("#preview-caption").startswith("PNG, 200 ")
    assert page.run("return document.getElementById('preview-image').naturalWidth") == 200


def test_model_and_times_are_shown(server: LiveServer, page: Page, digits: Path) -> None:
    """The page names who answered and, step by step, how long it took: as the answer says."""
    page.open(server.url)
    page.wait(lambda: page.text("#model") == "digits, version 1 healthy", "no health was shown")
    page.pick(digits / "sample-five.png")
    page.wait_until_shown("#result")
    answer = json.loads(page.text("#raw"))
    assert page.text(".by") == "Answered by digits, version 1"
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
    """The button sends the sample that the model's bundle ships."""
    page.open(server.url)
    page.at("sample").click()
    page.wait_until_shown("#result")
    sample = server.get("/sample").body
    assert sample == (digits / "sample-eight.png").read_bytes()
    _assert_rows(page, server.upload(sample).json["predictions"])


def test_a_pasted_picture_is_taken(server: LiveServer, page: Page) -> None:
    """Ctrl+V of a copied picture is enough."""
    page.open(server.url)
    page.tell(
        "Browser.grantPermissions",
        origin=server.url, permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
    )  # fmt: skip
    assert page.driver.execute_async_script(_COPY, "sample") == "copied"
    page.paste()
    page.wait_until_shown("#result")
    assert page.run(_ROWS)[0][0] == "eight"


def test_a_dropped_picture_is_taken(server: LiveServer, page: Page, digits: Path) -> None:
    """A picture may fall anywhere; of several the first is used, and the page stays."""
    page.open(server.url)
    page.drop(digits / "sample-three.png", digits / "sample-five.png")
    page.wait_until_shown("#result")
    assert page.run(_ROWS)[0][0] == "three"
    assert page.driver.current_url == f"{server.url}/"
    assert not page.shown(".drop.over")


def test_keyboard_alone_is_enough(server: LiveServer, page: Page) -> None:
    """Tab and Enter reach everything in reading order, and the focus is always seen."""
    page.open(server.url)
    page.press(Keys.TAB)
    assert page.focused_id() == "file"
    assert _outline(page, "label[for=file]") == "solid"
    page.press(Keys.TAB)
    assert page.focused_id() == "sample"
    assert _outline(page, "#sample") == "solid"
    page.press(Keys.ENTER)
    page.wait_until_shown("#result")
    page.press(Keys.TAB)
    assert page.run("return document.activeElement.tagName") == "SUMMARY"
    page.press(Keys.ENTER)
    assert page.shown("#raw")
    page.press(Keys.TAB)
    assert page.focused_id() == "copy"
    assert _outline(page, "#copy") == "solid"
    page.press(Keys.ENTER)
    page.wait_until_shown("#copied")


def test_the_copied_command_is_curl_for_this_service(server: LiveServer, page: Page) -> None:
    """Copy puts the command with the service's own address on the clipboard."""
    page.open(server.url)
    page.tell(
        "Browser.grantPermissions",
        origin=server.url, permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
    )  # fmt: skip
    page.at("copy").click()
    page.wait_until_shown("#copied")
    assert page.text("#copied") == "Copied."
    copied = page.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0], (error) => arguments[0](String(error)))"
    )
    assert copied == f"curl -F file=@photo.jpg {server.url}/predict"


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
    page.at("sample").click()
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


def test_a_degraded_service_with_keys_and_a_limit(guarded: LiveServer, page: Page) -> None:
    """Why it is degraded, a field for the key after a 401, names as text, and a clock at 429."""
    page.open(guarded.url)
    page.wait_until_shown("#banner")
    assert page.text("#banner").startswith("The service is degraded: digits answers in place of")
    assert guarded.get("/health").json["reason"] in page.text("#banner")
    assert not page.shown("#key-form")

    page.at("sample").click()
    page.wait_until_shown("#key-form")
    assert page.text("#failure").startswith("A valid API key is needed. Type it in below.")
    assert page.focused_id() == "key"
    assert '-H "Authorization: Bearer $KEY"' in page.text("#curl")
    page.press("wrong", Keys.ENTER)
    page.wait(lambda: "not accepted" in page.text("#failure"), "the wrong key was taken")
    page.at("key").clear()
    page.at("key").send_keys(KEY, Keys.ENTER)
    page.wait_until_shown("#result")
    assert not page.shown("#key-form")
    assert page.focused_id() == "outcome"
    assert page.run("return [localStorage.length, sessionStorage.length, document.cookie]") == [
        0, 0, "",
    ]  # fmt: skip

    assert len(page.run(_ROWS)) == 5
    assert page.run(_ROWS)[0][0] == f"{HOSTILE_NAME}8"
    assert page.run("return document.querySelectorAll('#classes img').length") == 0
    assert page.driver.title.startswith("topfive")

    page.at("sample").click()
    page.wait_until_shown("#failure")
    assert page.text("#failure-title") == "Too many requests from this client."
    assert re.fullmatch(r"Wait \d+ min\.", page.text("#failure-detail"))
    assert re.fullmatch(r"Try again in \d+ min", page.at("again").text)
    assert not page.at("again").is_enabled()
    page.run("const now = performance.now(); performance.now = () => now + 7200e3")
    page.wait(lambda: page.at("again").is_enabled(), "the clock does not go")
    assert page.at("again").text == "Try again"
    assert page.text("#progress") == "You can try again now."


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


@pytest.mark.parametrize("width", [320, 360])
def test_a_narrow_phone_needs_no_sideways_scroll(
    guarded: LiveServer, server: LiveServer, page: Page, digits: Path, width: int
) -> None:
    """Empty, with a long word in a note and with an answer, the page fits its width."""
    page.resize(width, 640, is_phone=True)
    page.open(guarded.url)
    page.wait_until_shown("#banner")
    assert page.content_width() == width
    page.open(server.url)
    assert page.content_width() == width
    page.pick(digits / "sample-eight.png")
    page.wait_until_shown("#result")
    page.run("document.querySelector('details').open = true")
    page.run("document.querySelector('.label').textContent = 'x'.repeat(300)")
    assert page.content_width() == width
    assert page.run("return document.getElementById('copy').getBoundingClientRect().right") < width


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
    """Empty, with an answer, with a failure and with a key asked for: no rule of axe is broken."""
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.open(server.url)
    page.wait_until_shown("#drop")
    page.run(axe)
    assert page.driver.execute_async_script(_CHECK) == []
    page.pick(digits / "sample-eight.png")
    page.wait_until_shown("#result")
    page.at("raw").find_element("xpath", "../summary").click()
    assert page.driver.execute_async_script(_CHECK) == []
    text = tmp_path / "text.txt"
    text.write_text("no picture")
    page.pick(text)
    page.wait_until_shown("#failure")
    for hidden in ("key-form", "again-line"):
        page.run("document.getElementById(arguments[0]).hidden = false", hidden)
    assert page.driver.execute_async_script(_CHECK) == []


def test_without_javascript_the_page_tells_how_to_use_curl(server: LiveServer, page: Page) -> None:
    """No dead button is shown; the command has the service's address."""
    page.tell("Emulation.setScriptExecutionDisabled", value=True)
    page.open(server.url)
    assert page.text("#curl") == f"curl -F file=@photo.jpg {server.url}/predict"
    assert page.text("#model") == "digits, version 1 healthy"
    assert "needs JavaScript" in page.text("noscript")
    assert page.shown("noscript p")
    assert not page.shown("#drop, #copy, #outcome")


def _assert_rows(page: Page, expected: list[dict[str, Any]]) -> None:
    rows = page.run(_ROWS)
    assert [name for name, _, _ in rows] == [one["class_name"] for one in expected]
    for (_, words, width), one in zip(rows, expected, strict=True):
        assert words == f"{one['confidence'] * 100:.1f}%"
        assert width == pytest.approx(one["confidence"], abs=1e-4)


def _outline(page: Page, selector: str) -> str:
    found = page.run(f"return getComputedStyle(document.querySelector('{selector}')).outlineStyle")
    return str(found)


def _background(page: Page) -> list[int]:
    colour = page.run("return getComputedStyle(document.body).backgroundColor")
    return [int(one) for one in re.findall(r"\d+", colour)]
