"""The page at /review, in a real browser: people label predictions by keys, clicks and search."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")
pytest.importorskip("sqlalchemy", reason="Install requirements-history.txt to run this.")

from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Page
from tests.live_server import LiveServer
from tests.pictures import jpeg, tiff

WITHIN_S = 20
NO_SUBTLE = "Object.defineProperty(crypto, 'subtle', { value: undefined });"
_SUGGESTED = "return [...document.querySelectorAll('.suggestion')].map((one) => one.dataset.id)"
_FOUND = "return [...document.querySelectorAll('#found li')].map((one) => one.textContent)"


@pytest.fixture
def kept(keeping: LiveServer, digits: Path) -> LiveServer:
    """The same, with four predictions that nobody has labelled, and no others."""
    for one in predictions(keeping):
        assert keeping.request("DELETE", f"/predictions/{one['id']}").status == 204
    for file in sorted(digits.glob("sample-*.png")):
        assert keeping.upload(file.read_bytes()).status == 200
    wait_for_predictions(keeping, 4)
    return keeping


def test_least_sure_come_first_and_a_digit_labels(kept: LiveServer, page: Page) -> None:
    """Its five classes are shown with their shares; 2 takes the second, and the next is shown."""
    first, second, *_ = least_sure(kept)
    open_review(page, kept)
    assert page.text("#card-title").startswith(
        f"Most likely: {first['predictions'][0]['class_name']}"
    )
    assert page.run(_SUGGESTED) == [str(one["class_id"]) for one in first["predictions"]]
    page.press("2")
    chosen = first["predictions"][1]
    page.wait(lambda: page.text("#said").startswith("Labelled"), "nothing was said")
    assert page.text("#said") == (
        f"Labelled “{chosen['class_name']}”. In this visit: 1 labelled, 0 skipped."
    )
    label = find(kept, first)["label"]
    assert (label["class_id"], label["rank"], label["source"]) == (chosen["class_id"], 2, "person")
    assert page.run(_SUGGESTED) == [str(one["class_id"]) for one in second["predictions"]]
    assert page.focused_id() == "card"


def test_all_can_be_labelled_and_more_looked_for(
    kept: LiveServer, page: Page, digits: Path
) -> None:
    """After the last one the page says so; Look again finds what was predicted since."""
    open_review(page, kept)
    for count in range(1, 5):
        page.press("1")
        page.wait(lambda count=count: f"{count} labelled" in page.text("#said"), "no label")
    page.wait_until_shown("#ended")
    assert page.text("#ended-title") == "That was the last one."
    assert page.text("#ended-detail") == "In this visit: 4 labelled, 0 skipped."
    assert page.focused_id() == "ended"
    assert all(one["label"]["rank"] == 1 for one in predictions(kept))
    kept.upload((digits / "sample-three.png").read_bytes())
    wait_for_predictions(kept, 5)
    page.at("look-again").click()
    page.wait_until_shown("#card")
    assert "three" in page.text("#card-title")


def test_typing_finds_any_class(kept: LiveServer, page: Page) -> None:
    """A letter begins the search, the best match is marked, and Enter takes it."""
    first = least_sure(kept)[0]
    shown = {one["class_name"] for one in first["predictions"]}
    name = next(one for one in ("nine", "four", "two", "one", "zero", "five") if one not in shown)
    open_review(page, kept)
    page.wait(lambda: "10 classes" in page.text("#search-hint"), "no class names came")
    page.press(*name[:-1])
    assert page.focused_id() == "search"
    assert page.run(_FOUND)[0] == name
    assert page.at("search").get_attribute("aria-expanded") == "true"
    marked = page.at("search").get_attribute("aria-activedescendant")
    assert page.text(f"#{marked}") == name
    page.press(Keys.ENTER)
    page.wait(lambda: "1 labelled" in page.text("#said"), "it was not labelled")
    label = find(kept, first)["label"]
    assert (label["class_name"], label["rank"]) == (name, None)
    assert page.at("search").get_property("value") == ""


def test_arrows_mark_and_escape_leaves(kept: LiveServer, page: Page) -> None:
    """The mark goes round; Escape empties the field and leaves it; / enters it, for any letter."""
    open_review(page, kept)
    page.wait(lambda: "10 classes" in page.text("#search-hint"), "no class names came")
    page.press("/", "s")
    assert page.run(_FOUND) == ["six", "seven"]
    page.press(Keys.ARROW_DOWN)
    assert page.text("#found [aria-selected=true]") == "seven"
    page.press(Keys.ARROW_DOWN)
    assert page.text("#found [aria-selected=true]") == "six"
    page.press(Keys.ESCAPE)
    assert page.focused_id() == "card"
    assert not page.shown("#found")
    page.press("/", "x", "y")
    assert page.text("#search-hint") == "No class of this model has that in its name."
    page.press(Keys.ENTER)
    assert [one for one in predictions(kept) if one["label"]] == []
    page.press(Keys.TAB)
    assert page.focused_id() == "skip"


def test_what_was_done_can_be_undone(kept: LiveServer, page: Page) -> None:
    """U takes back a label, and then a skip, and shows each prediction again."""
    first, second, third, *_ = least_sure(kept)
    open_review(page, kept)
    assert not page.at("undo").is_enabled()
    page.press("s")
    page.wait(lambda: shows(page, second), "the second was not shown")
    page.press("3")
    page.wait(lambda: shows(page, third), "the third was not shown")
    page.press("u")
    page.wait(lambda: shows(page, second), "the label was not taken back")
    assert find(kept, second)["label"] is None
    page.press("u")
    page.wait(lambda: shows(page, first), "the skip was not taken back")
    assert not page.at("undo").is_enabled()
    page.press("s")
    page.wait(lambda: shows(page, second), "the second does not follow the first")


def test_labels_can_be_looked_at_and_changed(kept: LiveServer, page: Page) -> None:
    """The labelled ones are a choice in the address; undo gives the former label back."""
    first = least_sure(kept)[0]
    ids = [one["class_id"] for one in first["predictions"]]
    set_label(kept, first, ids[0])
    page.driver.get(f"{kept.url}/review?show=labelled")
    page.wait_until_shown("#card-label")
    assert page.text("#card-label").startswith(
        f"Labelled “{first['predictions'][0]['class_name']}” by a system, "
    )
    page.press("2")
    page.wait_until_shown("#ended")
    label = find(kept, first)["label"]
    assert (label["class_id"], label["source"]) == (ids[1], "person")
    page.at("undo-last").click()
    page.wait_until_shown("#card")
    label = find(kept, first)["label"]
    assert (label["class_id"], label["source"]) == (ids[0], "system")


def test_a_click_labels_too(kept: LiveServer, page: Page) -> None:
    """On a phone, where nothing is told of keys, a tap on a class labels."""
    first = least_sure(kept)[0]
    page.resize(360, 740, is_phone=True)
    open_review(page, kept)
    assert not page.shown("kbd, #help")
    page.driver.find_elements("css selector", ".suggestion")[4].click()
    page.wait(lambda: "1 labelled" in page.text("#said"), "it was not labelled")
    assert find(kept, first)["label"]["rank"] == 5
    assert page.run("return document.getElementById('card').getBoundingClientRect().top") >= 0


def test_keys_can_be_switched_off_and_leave_the_browsers_alone(
    kept: LiveServer, page: Page
) -> None:
    """With Ctrl, in a field or when switched off a key does nothing of its own."""
    open_review(page, kept)
    chord = ActionChains(page.driver)
    chord.key_down(Keys.CONTROL).send_keys("1").key_up(Keys.CONTROL).perform()
    page.at("search").send_keys("1")
    page.press(Keys.ESCAPE, "?")
    page.wait_until_shown("#keys")
    page.press("2")
    assert page.focused_id() == "keys-on"
    page.press(Keys.SPACE, Keys.ESCAPE)
    page.wait(lambda: not page.shown("#keys"), "the keys stayed open")
    page.press("1", "s", "n")
    assert page.focused_id() != "search"
    assert page.text("#said") == ""
    assert [one for one in predictions(kept) if one["label"]] == []


def test_no_key_is_a_trap(kept: LiveServer, page: Page) -> None:
    """Tab reaches each control once, visibly, and goes on to the foot of the page."""
    open_review(page, kept)
    page.run("document.getElementById('shown').focus()")
    reached = []
    while "footer" not in (last := focused(page)):
        reached.append(last["id"] or last["class"])
        assert last["outline"] != "none", last
        page.press(Keys.TAB)
        assert len(reached) < 40
    wanted = ["shown", *["suggestion plain"] * 5, "search", "skip", "help"]
    assert [one for one in reached if one in wanted] == wanted


def test_a_dropped_picture_is_found_by_its_digest(
    kept: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """It is shown beside its prediction whatever its name is, and nothing of it is sent."""
    first, second, *_ = least_sure(kept)
    mine, other = tmp_path / "a.png", tmp_path / "b.png"
    mine.write_bytes(file_of(digits, first).read_bytes())
    other.write_bytes(jpeg())
    open_review(page, kept)
    assert page.text("#no-picture") == "You have not given this picture."
    sent = len(kept.events("request"))
    page.drop(other)
    page.wait(lambda: page.text("#looked") == "1 picture here.", "it was not looked at")
    assert page.text("#no-picture") == "This picture is not among those you gave."
    page.drop(mine)
    page.wait_until_shown("#preview-image")
    assert page.text("#preview-caption").startswith("a.png, ")
    assert page.run("return document.getElementById('preview-image').naturalWidth") == 200
    page.press("s")
    page.wait(lambda: shows(page, second), "the second was not shown")
    assert not page.shown("#preview")
    kept.get("/livez")
    assert [one for one in kept.events("request")[sent:] if one["method"] == "POST"] == []


def test_without_web_crypto_pictures_are_found_too(
    kept: LiveServer, page: Page, digits: Path
) -> None:
    """Over plain HTTP browsers give pages no digest of their own; the page has one."""
    added = page.tell("Page.addScriptToEvaluateOnNewDocument", source=NO_SUBTLE)
    try:
        open_review(page, kept)
        assert page.run("return crypto.subtle === undefined")
        page.drop(*digits.glob("sample-*.png"))
        page.wait_until_shown("#preview-image")
    finally:
        page.tell("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])


def test_only_predictions_of_ones_own_pictures(
    kept: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """Two of the four are dropped in a folder: only they are shown, then the page says so."""
    folder = tmp_path / "holiday" / "day 1"
    folder.mkdir(parents=True)
    for name in ("zero", "five"):
        (folder / f"{name}.png").write_bytes((digits / f"sample-{name}.png").read_bytes())
    (folder / "notes.txt").write_text("no picture")
    open_review(page, kept)
    page.drop(tmp_path / "holiday")
    page.wait(lambda: page.text("#looked") == "2 pictures here.", "they were not looked at")
    page.at("only").click()
    page.wait_until_shown("#preview-image")
    for count in (1, 2):
        page.wait_until_shown("#preview-image")
        page.press("1")
        page.wait(lambda count=count: f"{count} labelled" in page.text("#said"), "no label")
    page.wait_until_shown("#ended")
    labelled = {one["picture_sha256"] for one in predictions(kept) if one["label"]}
    assert labelled == {digest(digits / f"sample-{name}.png") for name in ("zero", "five")}
    page.at("look-again").click()
    page.wait(lambda: page.text("#ended-title") == "None of these pictures is waiting.", "no word")


def test_what_the_browser_cannot_show_is_named(
    kept: LiveServer, page: Page, tmp_path: Path
) -> None:
    """A TIFF is recognised, and said to be one that cannot be shown."""
    file = tmp_path / "scan.tiff"
    file.write_bytes(tiff())
    kept.upload(file.read_bytes())
    wait_for_predictions(kept, 5)
    open_review(page, kept)
    page.drop(file)
    page.wait(lambda: page.text("#looked") == "1 picture here.", "it was not looked at")
    page.at("only").click()
    page.wait(lambda: "does not show this format" in page.text("#preview-caption"), "no word")
    assert page.shown("#preview-caption")
    assert not page.shown("#preview-image")


def test_nothing_else_is_loaded_or_kept(kept: LiveServer, page: Page, digits: Path) -> None:
    """A visit leaves the console empty, the policy unbroken, and nothing in the browser."""
    open_review(page, kept)
    page.drop(*digits.glob("sample-*.png"))
    page.wait_until_shown("#preview-image")
    page.press("1")
    page.wait(lambda: "1 labelled" in page.text("#said"), "it was not labelled")
    page.wait_until_shown("#accuracy-told .headlines")
    assert page.console() == []
    loaded = page.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [one for one in loaded if not one.startswith((kept.url, "blob:"))] == []
    kept_there = "return [localStorage.length, sessionStorage.length, document.cookie]"
    assert page.run(kept_there) == [0, 0, ""]
    policies = {kept.get(path, Accept="text/html").headers["Content-Security-Policy"]
                for path in ("/", "/review")}  # fmt: skip
    assert len(policies) == 1


@pytest.mark.parametrize("length", [0, 3, 55, 56, 63, 64, 119, 120, 1000])
def test_digests_are_right(keeping: LiveServer, page: Page, length: int) -> None:
    """The page's own SHA-256 agrees with Python's, at every place where padding changes."""
    content = bytes(one * 7 % 256 for one in range(length))
    open_review(page, keeping)
    told = call(page, "sha256", f"sha256(new Uint8Array({list(content)}))")
    assert told == hashlib.sha256(content).hexdigest()


def test_the_search_knows_what_fits_best(keeping: LiveServer, page: Page) -> None:
    """Whole words come before beginnings, and those before other parts, whatever the accents."""
    names = ["catamaran", "tiger cat", "polecat", "Crème brûlée", "cattle", "cat"]
    open_review(page, keeping)
    best = {
        text: call(page, "search", f"bestMatches({json.dumps(names)}, {json.dumps(text)})")
        for text in ("cat", "CREME", "brulee", "3", "dog", "  ")
    }
    assert best["cat"] == [5, 1, 4, 0, 2]
    assert best["CREME"] == best["brulee"] == best["3"] == [3]
    assert best["dog"] == best["  "] == []


def open_review(page: Page, server: LiveServer) -> None:
    """Open the page and wait until it shows a prediction, or that there is none."""
    page.driver.get(f"{server.url}/review")
    page.wait_until_shown("#card, #ended, #failure")


def call(page: Page, module: str, expression: str) -> Any:
    """Call a function of one of the page's modules."""
    script = f"import('/static/{module}.js').then((module) => arguments[0](module.{expression}))"
    return page.driver.execute_async_script(script)


def predictions(server: LiveServer) -> list[dict[str, Any]]:
    """List all predictions, newest first."""
    return list(server.get("/predictions?limit=200").json["predictions"])


def least_sure(server: LiveServer) -> list[dict[str, Any]]:
    """List those without a label, least sure first."""
    query = "labelled=false&order=least_confident"
    return list(server.get(f"/predictions?{query}").json["predictions"])


def find(server: LiveServer, prediction: dict[str, Any]) -> dict[str, Any]:
    """Look a prediction up as it is now."""
    return dict(server.get(f"/predictions/{prediction['id']}").json)


def set_label(server: LiveServer, prediction: dict[str, Any], class_id: int) -> None:
    """Label a prediction as a program does."""
    body = json.dumps({"class_id": class_id, "source": "system"}).encode()
    path = f"/predictions/{prediction['id']}/label"
    headers = {"Content-Type": "application/json"}
    assert server.request("PUT", path, body, headers).status == 200


def wait_for_predictions(server: LiveServer, count: int) -> None:
    """Wait until so many are written: that happens after the answer."""
    end_s = time.monotonic() + WITHIN_S
    while len(predictions(server)) < count:
        assert time.monotonic() < end_s, "they were not written"
        time.sleep(0.05)


def shows(page: Page, prediction: dict[str, Any]) -> bool:
    """Tell whether the page shows a prediction."""
    return str(prediction["id"]) in page.text("#card-facts")


def focused(page: Page) -> dict[str, str]:
    """Tell where the focus is, and how that is made visible."""
    return dict(
        page.run("""
        const one = document.activeElement;
        const shown = one.matches('.unseen') ? one.nextElementSibling : one;
        return { id: one.id, class: one.className, outline: getComputedStyle(shown).outlineStyle,
          ...(one.closest('footer') ? { footer: 'yes' } : {}) };
    """)
    )


def file_of(digits: Path, prediction: dict[str, Any]) -> Path:
    """Find the sample that was classified."""
    samples = {digest(one): one for one in digits.glob("sample-*.png")}
    return samples[prediction["picture_sha256"]]


def digest(file: Path) -> str:
    """Tell the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
