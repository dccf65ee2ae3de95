"""Choosing among several models on the page, and comparing two on the same picture."""

import hashlib
import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.browser.chromium import Page
from tests.browser.conftest import KEY
from tests.live_server import LiveServer
from tests.pictures import jpeg

# As when another tab was looked at meanwhile.
_LOOK_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"
_AN_HOUR_LATER = "const now = performance.now(); performance.now = () => now + 7200e3"
_HAS_ASKED = """
return performance.getEntriesByName(new URL('models', document.baseURI)).some(
  (one) => one.responseEnd > 0);
"""
_BOX = "return document.getElementById(arguments[0]).getBoundingClientRect().toJSON()"
_KEPT = "return [localStorage.length, sessionStorage.length, document.cookie]"
# Notes of each upload where it goes and the digest of its picture.
_SPY = """
const send = window.fetch;
window.uploads = [];
window.fetch = async (where, options) => {
  const picture = await options?.body?.get('file').arrayBuffer();
  const digest = picture && await crypto.subtle.digest('SHA-256', picture);
  if (digest) uploads.push([where, btoa(String.fromCharCode(...new Uint8Array(digest)))]);
  return send(where, options);
};
"""
_SAY = """
const [one, other, done] = arguments;
import('/static/agreement.js').then((module) => done(module.agreementOf(one, other)));
"""


def test_one_model_is_no_choice(server: LiveServer, page: Page) -> None:
    """Where one model is ready there is no picker, and the code names no model."""
    page.open(server.url)
    page.wait(lambda: page.run(_HAS_ASKED), "the models were not asked for")
    page.try_sample()
    page.wait_until_shown("#result")
    assert not page.shown("#picker, #column-2, #who, #agreement")
    assert page.text(".by") == "Answered by digits"
    assert page.text("#curl") == f"curl -F file=@photo.jpg {server.url}/predict"


def test_the_ready_models_are_offered(several: LiveServer, page: Page) -> None:
    """Each version by name and version, below what answers where none is chosen."""
    _open(page, several)
    ready = ["numerals@1", "numerals@2"]
    assert _options(page, "chosen") == ["default: numerals@1", *ready]
    assert _options(page, "compared") == ["nothing", *ready]
    assert page.text("label[for=chosen]") == "Model"
    assert page.text("label[for=compared]") == "Compare with…"


def test_a_chosen_model_answers(several: LiveServer, page: Page, digits: Path) -> None:
    """Its classes are shown and its name; a picture that is there is looked at again at once."""
    _open(page, several)
    page.pick(digits / "sample-three.png")
    page.wait_until_shown("#result")
    assert page.text(".by") == "Answered by numerals@1"
    assert page.text("#classes .label") == "three"
    _choose(page, "chosen", "numerals@2")
    page.wait(lambda: page.text(".by") == "Answered by numerals@2", "the other did not answer")
    assert page.text("#classes .label") == "five"
    assert page.text("#others .label") == "5 other classes"
    assert not page.shown("#column-2, #agreement")


def test_the_choice_is_in_the_address_alone(several: LiveServer, page: Page) -> None:
    """It outlives a reload, can be linked, by the name alone too, and is not stored."""
    _open(page, several)
    _choose(page, "chosen", "numerals@2")
    _choose(page, "compared", "numerals@1")
    address = f"{several.url}/?model=numerals@2&compare=numerals@1"
    assert page.driver.current_url == address
    page.driver.refresh()
    page.wait_until_shown("#picker")
    assert _chosen(page) == ["numerals@2", "numerals@1"]
    assert page.run(_KEPT) == [0, 0, ""]
    _choose(page, "compared", "")
    _choose(page, "chosen", "")
    assert page.driver.current_url == f"{several.url}/"
    _open(page, several, "?model=numerals")
    assert _chosen(page) == ["numerals@1", ""]


def test_the_code_names_the_chosen_model(
    several: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """All three do, and the command as it stands asks that model, typed into a shell."""
    _open(page, several, "?model=numerals@2")
    query = f"{several.url}/predict?model=numerals&version=2"
    assert page.text("#curl") == f"curl -F file=@photo.jpg '{query}'"
    assert f'Request("{query}"' in page.text("#python")
    assert f"fetch('{query}'" in page.text("#javascript")
    (tmp_path / "photo.jpg").write_bytes((digits / "sample-three.png").read_bytes())
    command = ["sh", "-c", page.text("#curl")]
    printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    answer = json.loads(printed.stdout)
    assert answer["model"] == {"name": "numerals", "version": "2"}
    assert answer["predictions"][0]["class_name"] == "five"


def test_two_answers_stand_beside_each_other(several: LiveServer, page: Page, digits: Path) -> None:
    """The same bytes go once to each; each answer has its name, bars and time, and one sentence."""
    _open(page, several, "?compare=numerals@2")
    page.run(_SPY)
    picture = digits / "sample-eight.png"
    page.pick(picture)
    page.wait(lambda: page.text("#agreement") != "", "they were not compared")
    assert page.text("#agreement") == "They agree: both say eight."
    assert [page.text("#who"), page.text("#who-2")] == ["numerals@1", "numerals@2"]
    for suffix, version in (("", "1"), ("-2", "2")):
        answer = json.loads(page.text(f"#raw{suffix}"))
        assert answer["model"]["version"] == version
        assert _labels(page, suffix) == [one["class_name"] for one in answer["predictions"]]
        assert page.text(f"#times-title{suffix}").startswith("Took ")
        assert page.text(f"#progress{suffix}").startswith(
            f"numerals@{version}: The most likely classes: eight 99.0%, "
        )
    left, right = page.run(_BOX, "column"), page.run(_BOX, "column-2")
    assert left["top"] == right["top"]
    assert left["right"] <= right["left"]
    digest = b64encode(hashlib.sha256(picture.read_bytes()).digest()).decode()
    query = "predict?model=numerals&version=2"
    assert page.run("return uploads") == [["predict", digest], [query, digest]]


def test_a_phone_has_them_below_each_other(several: LiveServer, page: Page) -> None:
    """On 320 pixels nothing sticks out, and the sentence stands above both."""
    page.resize(320, 640, is_phone=True)
    _open(page, several, "?compare=numerals@2")
    page.try_sample()
    page.wait_until_shown("#result-2")
    upper, lower = page.run(_BOX, "column"), page.run(_BOX, "column-2")
    assert upper["left"] == lower["left"]
    assert page.run(_BOX, "agreement")["bottom"] <= upper["top"] < upper["bottom"] <= lower["top"]
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.content_width() == 320


def test_disagreement_and_doubt_are_said(
    several: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """Who says what, and who is not sure."""
    noise = tmp_path / "noise.jpg"
    noise.write_bytes(jpeg(200, 150, 38))
    _open(page, several, "?model=numerals@2&compare=numerals@1")
    page.pick(digits / "sample-three.png")
    said = "They disagree: numerals@2 says five, numerals@1 says three."
    page.wait(lambda: page.text("#agreement") == said, "the sentence was not shown")
    page.pick(noise)
    page.wait(lambda: page.text("#agreement").endswith("neither is sure."), "doubt was not said")
    assert page.shown("#verdict")
    assert page.shown("#verdict-2")


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (("a@1", "cat", True), ("b@1", "Cat", True), "They agree: both say cat."),
        (("a@1", "cat", True), ("b@1", "cat", False), "Both put cat first, but b@1 is not sure."),
        (("a@1", "cat", False), ("b@1", "cat", True), "Both put cat first, but a@1 is not sure."),
        (("a@1", "cat", False), ("b@1", "cat", False), "Both put cat first, but neither is sure."),
        (("a@1", "cat", True), ("b@1", "dog", True), "They disagree: a@1 says cat, b@1 says dog."),
        (("a@1", "cat", True), ("b@1", "dog", False),
         "They disagree: a@1 says cat, b@1 puts dog first but is not sure."),
        (("a@1", "cat", False), ("b@1", "dog", False),
         "They disagree, and neither is sure: a@1 puts cat first, b@1 puts dog first."),
        (("a@1", "cat", True), ("a@1", "cat", True), "Both answers are from a@1."),
        (("a@1", "cat", True), None, "Only one of them has answered: there is nothing to compare."),
        (None, None, ""),
    ],
)  # fmt: skip
def test_agreement_is_one_sentence(
    server: LiveServer, page: Page, one: Any, other: Any, said: str
) -> None:
    """Of two answers: who, the best class, and whether it is sure."""
    page.open(server.url)
    answers = [
        dict(zip(("who", "best", "isSure"), each, strict=True)) if each else None
        for each in (one, other)
    ]
    assert page.driver.execute_async_script(_SAY, *answers) == said


def test_another_choice_asks_that_model_alone(
    several: LiveServer, page: Page, digits: Path
) -> None:
    """The answer beside it stands; without a second model the page has one answer again."""
    _open(page, several)
    page.pick(digits / "sample-three.png")
    page.wait_until_shown("#result")
    before = len(_uploads(several))
    _choose(page, "compared", "numerals@2")
    page.wait_until_shown("#result-2")
    several.get("/livez")
    assert len(_uploads(several)) == before + 1
    _choose(page, "compared", "")
    page.wait(lambda: not page.shown("#column-2"), "the second answer stayed")
    assert page.shown("#result")
    assert page.text(".by") == "Answered by numerals@1"
    assert page.shown(".by")
    several.get("/livez")
    assert len(_uploads(several)) == before + 1


def test_keyboard_alone_chooses(several: LiveServer, page: Page) -> None:
    """The lists come before the picture, and keep the focus when the answers are there."""
    _open(page, several)
    page.press(Keys.TAB, Keys.TAB, Keys.TAB)
    assert page.focused_id() == "chosen"
    page.press("n", Keys.TAB)
    assert page.focused_id() == "compared"
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.TAB)
    assert page.focused_id() == "file"
    assert page.driver.current_url.endswith("?model=numerals@1&compare=numerals@2")
    page.press(Keys.TAB, Keys.TAB, Keys.ENTER)
    page.wait(lambda: page.text("#agreement") != "", "they were not compared")


def test_a_model_that_goes_is_told_and_may_come_back(
    several: LiveServer, page: Page, digits: Path
) -> None:
    """Its column says so and the list too; the other answer stands, and "Try again" asks it."""
    _open(page, several, "?compare=numerals@2")
    _order(several, "DELETE", "/models/numerals/versions/2")
    page.pick(digits / "sample-three.png")
    page.wait_until_shown("#failure-2")
    problem = several.upload(jpeg(), "/predict?model=numerals&version=2").json
    assert problem["code"] == "model_unavailable"
    assert page.text("#failure-title-2") == problem["title"]
    assert page.text("#classes .label") == "three"
    assert page.text("#agreement").startswith("Only one of them has answered")
    page.wait(lambda: _options(page, "compared")[-1] == "numerals@2 (not ready)", "it is offered")
    assert _chosen(page) == ["", "numerals@2"]
    _order(several, "POST", "/models/numerals/versions/2/load")
    page.run(_AN_HOUR_LATER)
    page.wait(lambda: page.at("again-2").is_enabled(), "the clock does not go")
    page.at("again-2").click()
    page.wait_until_shown("#result-2")
    assert page.focused_id() == "outcome"
    assert page.text("#agreement").startswith("They disagree: ")
    page.wait(lambda: _options(page, "compared")[-1] == "numerals@2", "it is not offered")


def test_a_model_that_comes_is_offered(several: LiveServer, page: Page) -> None:
    """Who comes back to the open page has it in the list, or a list at all."""
    _order(several, "DELETE", "/models/numerals/versions/2")
    page.open(several.url)
    page.wait(lambda: page.run(_HAS_ASKED), "the models were not asked for")
    assert not page.shown("#picker")
    _order(several, "POST", "/models/numerals/versions/2/load")
    page.run(_LOOK_AGAIN)
    page.wait_until_shown("#picker")
    assert _options(page, "chosen")[-1] == "numerals@2"


def test_a_link_to_what_is_not_there_is_told(several: LiveServer, page: Page) -> None:
    """It stays chosen, and its failure is shown; no other model answers in its place."""
    _open(page, several, "?model=%3Cimg%3E@9")
    assert _options(page, "chosen")[-1] == "<img>@9 (not ready)"
    page.try_sample()
    page.wait_until_shown("#failure")
    assert "model_not_found" in page.text("#failure-more")
    assert not page.shown("#result")


def test_each_column_has_its_own_key_and_limit(limited: LiveServer, page: Page) -> None:
    """Before the key there is no picker; a 429 of one model leaves the other one's answer."""
    page.driver.get(f"{limited.url}/?compare=numerals@2")
    page.try_sample()
    page.wait_until_shown("#progress")
    assert not page.shown("#picker")
    page.at("key").send_keys(KEY, Keys.ENTER)
    page.wait_until_shown("#failure-2")
    assert page.shown("#picker")
    assert page.text("#classes .label") == "eight"
    assert page.text("#failure-title-2") == "Too many requests from this client."
    assert re.fullmatch(r"Wait \d+ min\.", page.text("#failure-detail-2"))
    assert not page.at("again-2").is_enabled()
    assert page.run(_KEPT) == [0, 0, ""]
    before = len(_uploads(limited))
    page.run(_AN_HOUR_LATER)
    page.wait(lambda: page.at("again-2").is_enabled(), "the clock does not go")
    page.at("again-2").click()
    page.wait(lambda: not page.at("again-2").is_enabled(), "it was not asked again")
    limited.get("/livez")
    assert len(_uploads(limited)) == before + 1
    assert page.text("#classes .label") == "eight"


def _open(page: Page, server: LiveServer, query: str = "") -> None:
    page.driver.get(f"{server.url}/{query}")
    page.wait_until_shown("#picker")


def _options(page: Page, name: str) -> list[str]:
    return [one.text for one in Select(page.at(name)).options]


def _choose(page: Page, name: str, reference: str) -> None:
    Select(page.at(name)).select_by_value(reference)


def _chosen(page: Page) -> list[str]:
    return [str(page.at(name).get_property("value")) for name in ("chosen", "compared")]


def _labels(page: Page, suffix: str) -> list[str]:
    found = page.driver.find_elements("css selector", f"#classes{suffix} .label")
    return [one.text for one in found]


def _order(server: LiveServer, method: str, path: str) -> None:
    answer = server.request(method, f"{path}?wait_s=60")
    assert answer.status == 202, answer.body


def _uploads(server: LiveServer) -> list[dict[str, Any]]:
    return [one for one in server.events("request") if one["route"] == "/predict"]
