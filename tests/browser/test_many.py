"""Many pictures on the page: a tile for each, what goes wrong with some, and how they are saved."""

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.browser.chromium import Page
from tests.browser.conftest import HOSTILE_NAME
from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg, tiff

NAMES = ("eight", "five", "three", "zero")

# What each tile tells: its state, the file's name, and the class or the failure.
_TILES = """
return [...document.querySelectorAll('.tile')].map((tile) => [
  tile.dataset.state, tile.querySelector('.file').textContent,
  tile.querySelector('.best, .wrong')?.textContent ?? '']);
"""
_DRAWN = """
return [...document.querySelectorAll('.thumbnail img')].filter((one) => one.naturalWidth).length;
"""
_LENGTHEN = """
for (const one of document.querySelectorAll('.best, .file')) one.textContent = 'x'.repeat(90);
"""
# Notes of each upload where it goes, and of a batch the names and sizes of its pictures.
_SPY = """
const send = window.fetch;
window.uploads = [];
window.fetch = (where, options) => {
  const files = options?.body?.getAll('files') ?? [];
  if (options?.body) uploads.push([where, files.map((one) => [one.name, one.size])]);
  return send(where, options);
};
"""
# Holds each batch back, from the second on, until it is given up.
_HOLD = """
const send = window.fetch;
let batches = 0;
window.fetch = (where, options) => {
  if (!where.startsWith('predict/batch') || ++batches !== 2) return send(where, options);
  return new Promise((_, reject) => {
    options.signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
  });
};
"""
# Answers the first batches otherwise: `arguments[0]` is a status, headers and a body for each.
_REFUSE = """
const [send, answers] = [window.fetch, arguments[0]];
window.batches = [];
window.fetch = (where, options) => {
  if (!where.startsWith('predict/batch')) return send(where, options);
  batches.push(options.body.getAll('files').length);
  const answer = answers.shift();
  if (!answer) return send(where, options);
  const [status, headers, body] = answer;
  return Promise.resolve(new Response(JSON.stringify(body), { status, headers }));
};
"""
_AN_HOUR_LATER = "const now = performance.now(); performance.now = () => now + 7200e3"
_WITH = """
const [name, call, values, done] = arguments;
import(`/static/${name}.js`).then((module) => done(module[call](...values)));
"""
_BOX = "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A folder with four digits, two of them in a folder of their own, and files of other kinds."""
    root = tmp_path_factory.mktemp("many") / "numbers"
    (root / "deep").mkdir(parents=True)
    for name in NAMES:
        where = root / "deep" if name in ("three", "zero") else root
        shutil.copy(digits / f"sample-{name}.png", where / f"{name}.png")
    (root / "notes.txt").write_text("no picture")
    (root / "deep" / ".hidden.png").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def pictures(folder: Path) -> list[Path]:
    """The four digits of the folder."""
    return [
        *sorted(folder.glob("*.png")),
        folder / "deep" / "three.png",
        folder / "deep" / "zero.png",
    ]


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> list[Path]:
    """Thirty pictures, more than one request takes."""
    root = tmp_path_factory.mktemp("thirty")
    sample = (digits / "sample-five.png").read_bytes()
    files = [root / f"{number:02}.png" for number in range(30)]
    for one in files:
        one.write_bytes(sample)
    return files


def test_each_picked_picture_gets_its_best_class(
    server: LiveServer, page: Page, pictures: list[Path]
) -> None:
    """In the order they were picked, by one request, with the API's classes and confidences."""
    page.open(server.url)
    page.run(_SPY)
    _pick(page, pictures)
    _wait_until_done(page)
    assert page.run(_TILES) == [["answered", one.name, one.stem] for one in pictures]
    assert page.text("#many-title") == "4 pictures"
    assert page.text("#many-count") == "4 classified"
    assert page.text("#many-said") == "4 classified"
    expected = server.upload(pictures[0].read_bytes()).json["predictions"][0]["confidence"]
    assert page.text(".tile .share") == f"{expected * 100:.1f}%"
    assert not page.shown("#many-progress, #cancel, #resume, #many-failure, #outcome")
    # The files' names stay here.
    sent = [["picture", one.stat().st_size] for one in pictures]
    assert page.run("return uploads") == [["predict/batch", sent]]


def test_thumbnails_show_the_pictures(
    server: LiveServer, page: Page, pictures: list[Path], tmp_path: Path
) -> None:
    """Each tile shows its picture; one that no browser shows has the name of its format."""
    scan = tmp_path / "scan.tiff"
    scan.write_bytes(tiff())
    page.open(server.url)
    _pick(page, [*pictures, scan])
    page.wait(lambda: page.run(_DRAWN) == len(pictures), "not all thumbnails came")
    _wait_until_done(page)
    assert (
        page.run("return [...document.querySelectorAll('.thumbnail')].at(-1).textContent") == "TIFF"
    )
    assert page.text("#many-count") == "5 classified"


def test_a_dropped_folder_is_looked_into(server: LiveServer, page: Page, folder: Path) -> None:
    """The pictures in it, however deep, are taken by name; what is none is left out and told."""
    page.open(server.url)
    page.drop(folder)
    _wait_until_done(page)
    names = ["three.png", "zero.png", "eight.png", "five.png"]
    assert [name for _, name, _ in page.run(_TILES)] == names
    assert page.text("#many-left-out") == (
        "2 other files in the folder are no pictures and were left out."
    )


def test_a_folder_can_be_chosen(server: LiveServer, page: Page, folder: Path) -> None:
    """The button beside the one for pictures does the same."""
    page.open(server.url)
    page.at("folder").send_keys(str(folder))
    _wait_until_done(page)
    assert page.text("#many-count") == "4 classified"
    assert page.run("return document.querySelector('.tile button').title") == (
        "numbers/deep/three.png"
    )


def test_a_folder_without_pictures_is_told(server: LiveServer, page: Page, tmp_path: Path) -> None:
    """Nothing is sent, and what was there before is gone."""
    (tmp_path / "notes.txt").write_text("no picture")
    page.open(server.url)
    page.run(_SPY)
    page.drop(tmp_path)
    page.wait_until_shown("#failure")
    assert page.text("#failure-title") == "There is no picture in this folder."
    assert not page.shown("#many, #preview")
    assert page.run("return uploads") == []


def test_bad_pictures_fail_in_their_place(
    server: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """Each has the API's words in its tile; one too large is not even sent; others are answered."""
    broken, text, large = (
        tmp_path / "a-broken.jpg",
        tmp_path / "b-text.jpg",
        tmp_path / "c-large.jpg",
    )
    broken.write_bytes(jpeg()[:-40])
    text.write_text("no picture")
    large.write_bytes(jpeg() + bytes(11 * 1024**2))
    page.open(server.url)
    page.run(_SPY)
    _pick(page, [broken, text, large, digits / "sample-eight.png"])
    _wait_until_done(page)
    told = page.run(_TILES)
    assert [state for state, _, _ in told] == ["failed", "failed", "failed", "answered"]
    assert told[0][2] == server.upload(broken.read_bytes()).json["detail"]
    assert told[1][2] == server.upload(text.read_bytes()).json["detail"]
    assert told[2][2] == "This file has 11 MB; at most 10 MB are accepted."
    assert told[3][2] == "eight"
    assert page.text("#many-count") == "1 classified, 3 failed"
    assert not page.shown("#resume")  # they would fail again
    (batch,) = page.run("return uploads")
    assert len(batch[1]) == 3


def test_many_pictures_go_in_small_batches(
    server: LiveServer, page: Page, thirty: list[Path]
) -> None:
    """Sixteen at once, so that the first classes are there while the last pictures wait."""
    page.open(server.url)
    page.run(_HOLD)
    page.run(_SPY)
    _pick(page, thirty)
    page.wait(lambda: page.text("#many-count") == "16 classified, 14 to go", "it did not begin")
    assert page.run("return uploads.map(([where, files]) => [where, files.length])") == [
        ["predict/batch", 16], ["predict/batch", 14],
    ]  # fmt: skip
    assert {state for state, _, _ in page.run(_TILES)[16:]} == {"sent"}
    assert page.run(
        "const bar = document.querySelector('progress'); return bar.value / bar.max"
    ) == (pytest.approx(16 / 30))


def test_cancel_and_go_on(server: LiveServer, page: Page, thirty: list[Path]) -> None:
    """What is under way is given up and waits; Go on sends that alone; the focus follows."""
    page.open(server.url)
    page.run(_HOLD)
    page.run(_SPY)
    _pick(page, thirty)
    page.wait(lambda: page.text("#many-count") == "16 classified, 14 to go", "it did not begin")
    page.at("cancel").click()
    assert page.focused_id() == "resume"
    assert page.text("#many-said") == "Cancelled: 16 classified, 14 to go."
    assert {state for state, _, _ in page.run(_TILES)[16:]} == {"waiting"}
    page.at("resume").click()
    _wait_until_done(page)
    assert page.text("#many-count") == "30 classified"
    assert page.run("return uploads.map(([, files]) => files.length)") == [16, 14, 14]


def test_other_pictures_take_their_place(
    server: LiveServer, page: Page, thirty: list[Path], pictures: list[Path]
) -> None:
    """Those under way are given up for new ones, be they many or one."""
    page.open(server.url)
    page.run(_HOLD)
    _pick(page, thirty)
    page.wait(lambda: page.text("#many-count") == "16 classified, 14 to go", "it did not begin")
    _pick(page, pictures)
    _wait_until_done(page)
    assert page.run(_TILES) == [["answered", one.name, one.stem] for one in pictures]
    page.pick(pictures[0])
    page.wait_until_shown("#result")
    assert not page.shown("#many")
    _pick(page, pictures)
    _wait_until_done(page)
    assert not page.shown("#outcome")


def test_a_tile_opens_its_picture(server: LiveServer, page: Page, pictures: list[Path]) -> None:
    """All five classes and the picture, without another upload; neighbours and back by buttons."""
    page.open(server.url)
    page.run(_SPY)
    _pick(page, pictures)
    _wait_until_done(page)
    _tile(page, 1).click()
    page.wait_until_shown("#result")
    assert page.text("#closer") == "All pictures five.png 2 of 4 Previous Next"
    assert page.focused_id() == "back"
    assert page.text("#classes .label") == "five"
    assert page.text(".by") == "Answered by digits"
    assert page.text("#preview-caption").startswith("PNG, 200 ")
    expected = server.upload(pictures[1].read_bytes()).json["predictions"]
    assert json.loads(page.text("#raw"))["predictions"] == expected
    assert not page.shown("#grid")
    page.at("previous").click()
    page.wait(lambda: page.text("#classes .label") == "eight", "the one before was not shown")
    assert not page.at("previous").is_enabled()
    assert page.focused_id() == "next"
    page.press(Keys.ESCAPE)
    assert page.shown("#grid")
    assert not page.shown("#outcome, #closer")
    assert page.run("return document.activeElement.title") == "eight.png"
    assert len(page.run("return uploads")) == 1


def test_a_failed_picture_opens_too(
    server: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """Its failure is told in full, with the code."""
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    page.open(server.url)
    _pick(page, [digits / "sample-eight.png", text])
    _wait_until_done(page)
    _tile(page, 1).click()
    page.wait_until_shown("#failure")
    assert page.text("#failure-title") == page.run(_TILES)[1][2]
    assert page.text("#failure-more") == "Code unsupported_format"
    page.at("previous").click()
    page.wait_until_shown("#result")
    assert not page.shown("#failure")


def test_doubt_is_said_in_the_tile(
    server: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """Where the best class does not stand out, it is not written as an answer."""
    noise = tmp_path / "noise.jpg"
    noise.write_bytes(jpeg(200, 150, 38))
    page.open(server.url)
    _pick(page, [noise, digits / "sample-eight.png"])
    _wait_until_done(page)
    told = page.run("return [...document.querySelectorAll('.told')].map((one) => one.textContent)")
    assert told[0].startswith("Not sure: ")
    assert told[1].strip().startswith("eight ")


def test_the_results_can_be_saved(
    server: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """As CSV, a line for each picture, and as JSON with the API's own results."""
    text = tmp_path / "no picture, text.jpg"
    text.write_text("no picture")
    page.open(server.url)
    _save_to(page, tmp_path)
    _pick(page, [digits / "sample-eight.png", text])
    _wait_until_done(page)
    page.at("csv").click()
    page.at("json-file").click()
    page.wait((tmp_path / "topfive.csv").exists, "no CSV was saved")
    page.wait((tmp_path / "topfive.json").exists, "no JSON was saved")
    good, bad = csv.DictReader(io.StringIO((tmp_path / "topfive.csv").read_text("utf-8-sig")))
    expected = server.upload((digits / "sample-eight.png").read_bytes()).json
    classes = [(good[f"class_{n}"], float(good[f"confidence_{n}"])) for n in range(1, 6)]
    assert classes == [(one["class_name"], one["confidence"]) for one in expected["predictions"]]
    assert (good["file"], good["model"], good["version"]) == ("sample-eight.png", "digits", "1")
    assert (good["format"], good["width"], good["error"]) == ("PNG", "200", "")
    assert (bad["file"], bad["class_1"], bad["error"]) == (text.name, "", "unsupported_format")
    answered, failed = json.loads((tmp_path / "topfive.json").read_text())["results"]
    assert answered["predictions"] == expected["predictions"]
    assert answered["model"] == expected["model"]
    assert (answered["file"], answered["ok"]) == ("sample-eight.png", True)
    assert (failed["ok"], failed["error"]["code"]) == (False, "unsupported_format")


def test_a_spreadsheet_finds_no_formula(server: LiveServer, page: Page) -> None:
    """Names that a spreadsheet would compute are marked as text; quotes and commas are kept."""
    page.open(server.url)
    model = {"name": "m", "version": "1"}
    image = {"format": "PNG", "width": 2, "height": 1}
    best = [{"class_id": 0, "class_name": "@b", "confidence": 1e-7}]
    result = {"model": model, "image": image, "predictions": best}
    settled = [{"isSettled": True, "name": '=1+"1",.png', "result": result, "error": None}]
    text = page.driver.execute_async_script(_WITH, "table", "csvOf", [settled])
    (line,) = list(csv.reader(io.StringIO(text)))[1:]
    assert line[0] == '\'=1+"1",.png'
    assert line[6:9] == ["'@b", "1e-7", ""]


def test_hostile_names_stay_text(
    server: LiveServer, page: Page, digits: Path, tmp_path: Path
) -> None:
    """A file's name is never read as HTML."""
    hostile = tmp_path / HOSTILE_NAME.replace("/", "")
    shutil.copy(digits / "sample-five.png", hostile)
    page.open(server.url)
    _pick(page, [hostile, digits / "sample-eight.png"])
    _wait_until_done(page)
    assert page.run(_TILES)[0] == ["answered", hostile.name, "five"]
    _tile(page, 0).click()
    assert page.text("#closer-name") == hostile.name
    assert page.driver.title.startswith("topfive")


def test_a_chosen_model_looks_at_all(several: LiveServer, page: Page, pictures: list[Path]) -> None:
    """Another choice has all of them looked at again; a closer look may compare two."""
    page.driver.get(f"{several.url}/?model=numerals@2")
    page.wait_until_shown("#picker")
    _pick(page, pictures)
    _wait_until_done(page)
    assert [best for _, _, best in page.run(_TILES)] == ["eight", "three", "five", "zero"]
    Select(page.at("chosen")).select_by_value("numerals@1")
    page.wait(lambda: page.run(_TILES)[1][2] == "five", "the other was not asked")
    _wait_until_done(page)
    Select(page.at("compared")).select_by_value("numerals@2")
    _tile(page, 1).click()
    said = "They disagree: numerals@1 says five, numerals@2 says three."
    page.wait(lambda: page.text("#agreement") == said, "they were not compared")


def test_the_key_is_asked_for_first(guarded: LiveServer, page: Page, pictures: list[Path]) -> None:
    """Without a key nothing is sent, and the page says what it waits for."""
    page.open(guarded.url)
    page.run(_SPY)
    _pick(page, pictures)
    page.wait_until_shown("#many-failure")
    assert page.text("#many-failure") == ("Type in your API key above. Then the pictures are sent.")
    assert page.focused_id() == "key"
    assert page.run("return uploads") == []


def test_a_quota_is_waited_for(tmp_path: Path, page: Page, thirty: list[Path]) -> None:
    """Where the service takes only some pictures in some seconds, the page keeps to that."""
    with run_server(tmp_path, model="digits", rate_limit="25/5second") as brisk:
        page.open(brisk.url)
        _pick(page, thirty)
        page.wait_until_shown("#many-wait")
        assert re.fullmatch(
            r"Too many requests from this client\. It goes on in \d s\.", page.text("#many-wait")
        )
        _wait_until_done(page)
        assert page.text("#many-count") == "30 classified"
        assert not page.shown("#many-wait")


def test_a_long_wait_is_left_to_the_person(
    server: LiveServer, page: Page, pictures: list[Path]
) -> None:
    """Over two minutes the page stops, says why, and has a button with a clock."""
    page.open(server.url)
    page.run(_REFUSE, [_problem(429, "rate_limited", **{"Retry-After": "1800"})])
    _pick(page, pictures)
    page.wait_until_shown("#many-failure")
    assert page.text("#many-failure-title") == "A title."
    assert page.text("#many-failure-more") == "Code rate_limited, request r"
    assert page.at("resume").text == "Go on in 30 min"
    assert not page.at("resume").is_enabled()
    page.run(_AN_HOUR_LATER)
    page.wait(lambda: page.at("resume").is_enabled(), "the clock does not go")
    page.at("resume").click()
    _wait_until_done(page)
    assert page.text("#many-count") == "4 classified"
    assert not page.shown("#many-failure")


def test_without_a_batch_route_they_go_one_by_one(
    server: LiveServer, page: Page, pictures: list[Path]
) -> None:
    """Where something in between knows no batches, each picture is a request of its own."""
    page.open(server.url)
    page.run(_REFUSE, [[404, {}, {}]])
    page.run(_SPY)
    _pick(page, pictures)
    _wait_until_done(page)
    assert page.run(_TILES) == [["answered", one.name, one.stem] for one in pictures]
    assert [where for where, _ in page.run("return uploads")] == ["predict/batch", *["predict"] * 4]


def test_batches_shrink_where_they_are_too_large(
    server: LiveServer, page: Page, pictures: list[Path]
) -> None:
    """A proxy that takes only small requests gets small ones."""
    page.open(server.url)
    page.run(_REFUSE, [[413, {}, {}], [413, {}, {}]])
    _pick(page, pictures)
    _wait_until_done(page)
    assert page.run("return batches") == [4, 2, 1, 1, 1, 1]
    assert page.text("#many-count") == "4 classified"


def test_a_lost_network_is_waited_for(server: LiveServer, page: Page, pictures: list[Path]) -> None:
    """The page tries again by itself."""
    page.open(server.url)
    page.wait_until_shown("#drop")
    page.set_online(is_online=False)
    _pick(page, pictures)
    page.wait_until_shown("#many-wait")
    assert page.text("#many-wait").startswith("No answer came. It goes on in ")
    page.set_online(is_online=True)
    _wait_until_done(page)
    assert page.text("#many-count") == "4 classified"


def test_a_failure_of_the_service_can_be_tried_again(
    server: LiveServer, page: Page, pictures: list[Path]
) -> None:
    """What failed for no fault of a picture is sent again on demand, and that alone."""
    line = {"index": 0, "ok": False, "error": {"code": "internal_error", "detail": "Our fault."}}
    page.open(server.url)
    page.run(_REFUSE, [[200, {"Content-Type": "application/x-ndjson"}, line]])
    _pick(page, pictures)
    _wait_until_done(page)
    assert page.text("#many-count") == "3 classified, 1 failed"
    assert page.run(_TILES)[0] == ["failed", "eight.png", "Our fault."]
    assert page.at("resume").text == "Try 1 picture again"
    page.at("resume").click()
    page.wait(lambda: page.text("#many-count") == "4 classified", "it was not tried again")
    assert page.run("return batches") == [4, 3, 1]


def test_keyboard_alone_is_enough(server: LiveServer, page: Page, pictures: list[Path]) -> None:
    """Tab reaches the downloads and each tile, in reading order, and Enter opens and closes."""
    page.open(server.url)
    _pick(page, pictures)
    _wait_until_done(page)
    page.run("document.getElementById('csv').focus()")
    page.press(Keys.TAB)
    assert page.focused_id() == "json-file"
    page.press(Keys.TAB)
    assert page.run("return document.activeElement.title") == "eight.png"
    page.press(Keys.TAB, Keys.ENTER)
    page.wait_until_shown("#result")
    assert page.focused_id() == "back"
    page.press(Keys.ENTER)
    assert page.run("return document.activeElement.title") == "five.png"


@pytest.mark.parametrize("width", [320, 1000])
def test_tiles_stand_beside_each_other(
    server: LiveServer, page: Page, pictures: list[Path], width: int
) -> None:
    """On the smallest phone two, on a desktop four; nothing sticks out, whatever the names."""
    page.resize(width, 740, is_phone=width < 500)
    page.open(server.url)
    _pick(page, pictures)
    _wait_until_done(page)
    tops = page.run("return [...document.querySelectorAll('.tile')].map((one) => one.offsetTop)")
    assert tops.count(tops[0]) == (2 if width < 500 else 4)
    page.run(_LENGTHEN)
    assert page.content_width() == width
    _tile(page, 0).click()
    page.run("document.getElementById('closer-name').textContent = 'x'.repeat(90)")
    assert page.content_width() == width
    assert page.run(_BOX, "#closer")["right"] <= width


def _pick(page: Page, files: list[Path]) -> None:
    page.at("file").send_keys("\n".join(map(str, files)))


def _wait_until_done(page: Page) -> None:
    page.wait(
        lambda: page.shown("#many") and not page.shown("#many-progress"),
        "it did not come to an end",
    )


def _tile(page: Page, number: int) -> Any:
    return page.driver.find_elements("css selector", ".tile button")[number]


def _problem(status: int, code: str, **headers: str) -> list[Any]:
    body = {"title": "A title.", "detail": "A detail.", "code": code, "request_id": "r"}
    return [status, {"Content-Type": "application/problem+json"} | headers, body]


def _save_to(page: Page, folder: Path) -> None:
    page.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
