"""What the page says when not all is well: a key is asked for, a stand-in answers, or nothing."""

import re
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Page
from tests.browser.conftest import HOSTILE_NAME, KEY
from tests.live_server import LiveServer, run_server

# As when the page is shown again after Back.
_ASK = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
_LABELS = "return [...document.querySelectorAll('#classes .label')].map((one) => one.textContent)"


def test_the_key_is_asked_for_before_anything_is_sent(guarded: LiveServer, page: Page) -> None:
    """The field is there from the start; a picture chosen without a key waits for one, unsent."""
    page.open(guarded.url)
    assert page.shown("#key-form")
    before = _uploads(guarded)
    page.try_sample()
    page.wait_until_shown("#progress")
    assert page.text("#progress") == "Type in your API key above. Then this picture is sent."
    assert page.focused_id() == "key"
    assert page.shown("#preview-image")
    guarded.get("/livez")
    assert _uploads(guarded) == before
    for name in ("curl", "python", "javascript"):
        assert "Bearer" in page.text(f"#{name}")


def test_a_key_and_a_limit(guarded: LiveServer, page: Page) -> None:
    """A wrong key is told, a good one is used and kept in memory alone, and 429 has a clock."""
    page.open(guarded.url)
    page.try_sample()
    page.wait(lambda: page.focused_id() == "key", "no key was asked for")
    page.press("wrong", Keys.ENTER)
    page.wait_until_shown("#failure")
    assert page.text("#failure").startswith(
        "A valid API key is needed. The key you gave is not accepted."
    )
    assert page.focused_id() == "key"
    page.at("key").clear()
    page.at("key").send_keys(KEY, Keys.ENTER)
    page.wait_until_shown("#result")
    assert not page.shown("#key-form")
    assert page.text("#key-set") == "Your API key goes with every picture. Change it"
    assert page.focused_id() == "outcome"
    kept = "return [localStorage.length, sessionStorage.length, document.cookie, location.href]"
    assert page.run(kept) == [0, 0, "", f"{guarded.url}/"]

    # The class names are hostile: they stay text.
    labels = page.run(_LABELS)
    assert len(labels) == 5
    assert labels[0] == f"{HOSTILE_NAME}8"
    assert page.run("return document.querySelectorAll('#classes img').length") == 0
    assert page.driver.title.startswith("topfive")
    assert page.text("#stand-in") == (
        "This answer is from digits, which stands in for MobileNetV2."
    )

    page.try_sample()
    page.wait_until_shown("#failure")
    assert page.text("#failure-title") == "Too many requests from this client."
    assert re.fullmatch(r"Wait \d+ min\.", page.text("#failure-detail"))
    assert re.fullmatch(r"Try again in \d+ min", page.at("again").text)
    assert not page.at("again").is_enabled()
    page.run("const now = performance.now(); performance.now = () => now + 7200e3")
    page.wait(lambda: page.at("again").is_enabled(), "the clock does not go")
    assert page.at("again").text == "Try again"
    assert page.text("#progress") == "You can try again now."

    page.at("key-change").click()
    assert page.focused_id() == "key"
    assert page.shown("#key-form")


def test_a_stand_in_is_told_at_once(guarded: LiveServer, page: Page) -> None:
    """Which model is missing, which one answers and why, without any picture and any script."""
    page.tell("Emulation.setScriptExecutionDisabled", value=True)
    page.open(guarded.url)
    assert page.text("#model") == "digits, version 1, degraded"
    assert page.text("#banner").startswith("MobileNetV2 is not here: digits stands in for it.")
    assert guarded.get("/health").json["reason"] in page.text("#banner")


def test_without_a_model_there_is_a_clock(modelless: LiveServer, page: Page, digits: Path) -> None:
    """The page says that nothing is classified, and when to try again."""
    page.open(modelless.url)
    assert page.text("#model") == "MobileNetV2 unavailable"
    assert page.text("#banner").startswith("No picture can be classified now.")
    assert not page.shown(".sample")
    page.pick(digits / "sample-zero.png")
    page.wait_until_shown("#failure")
    assert page.text("#failure-title") == "The model is not loaded."
    assert re.fullmatch(r"Try again in \d+ s", page.at("again").text)


def test_an_open_page_keeps_up(page: Page, tiny_folder: Path, tmp_path: Path) -> None:
    """It says that the service is away, and shows another model's name and samples by itself."""
    with run_server(tmp_path, model="digits") as first:
        page.open(first.url)
        page.run("window.isTheSamePage = true")
    page.run(_ASK)
    page.wait_until_shown("#banner")
    assert page.text("#banner") == "The service does not answer. This page keeps asking."
    with run_server(tmp_path, model=str(tiny_folder), port=str(first.port)):
        page.run(_ASK)
        page.wait(lambda: page.text("#model-name") == "tiny", "the new model was not shown")
        page.wait(lambda: not page.shown("#banner"), "the banner stayed")
        assert not page.shown(".sample")
        assert page.run("return window.isTheSamePage")


def _uploads(server: LiveServer) -> int:
    return len([one for one in server.events("request") if one["route"] == "/predict"])
