"""What /review says when not all is well, how it looks, and what its charts tell."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")
pytest.importorskip("sqlalchemy", reason="Install requirements-history.txt to run this.")

from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Page
from tests.browser.conftest import HOSTILE_NAME, KEY, PREDICT_KEY
from tests.browser.test_layout import BROKEN_WORDS, CHECK, SIZES
from tests.live_server import LiveServer

# Answers in the service's place, each as [beginning of the path, status, headers, body].
_STAND_IN = """
const told = %s;
const sent = window.fetch;
window.asked = [];
window.fetch = async (path, options = {}) => {
  window.asked.push(`${options.method ?? 'GET'} ${path}`);
  const found = told.find(([begin]) => path.startsWith(begin));
  if (!found) return sent(path, options);
  const [, status, headers, body] = found;
  return new Response(JSON.stringify(body), { status, headers });
};
"""
_DAYS = [f"2026-11-{day:02}" for day in range(1, 21)]
_NAMES = ["tench", "tabby", "ski mask", HOSTILE_NAME, "crane", "crane", "a" * 300]
_FIGURES = """
return [...document.querySelectorAll(`#${arguments[0]} .headlines > div`)].map((one) =>
  [...one.children].map((part) => part.textContent).join(' '));
"""
_MARKS = "return document.querySelectorAll(`#${arguments[0]} ${arguments[1]}`).length"


def interval(value: float, reach: float = 0.05) -> dict[str, float]:
    """Make an interval as the API tells it."""
    return {"value": value, "low": max(0, value - reach), "high": min(1, value + reach)}


def prediction(number: int, **changes: Any) -> dict[str, Any]:
    """Make a prediction as the API tells it."""
    return {
        "id": f"019abfa5-26d0-7c41-9f3e-{number:012}",
        "created_at": "2026-11-26T10:03:17.180000Z",
        "request_id": "b1946ac92492d2347c6235b4d2611184",
        "position": 2,
        "picture_sha256": "2f0b7c3f6d1a4e58b9c0d1e2f3a4b5c6d7e8f90123456789abcdef0123456789",
        "model": {"name": "things", "version": "2"},
        "model_digest": "a" * 64,
        "route": "/predict/batch",
        "alias": "default",
        "predictions": [
            {"class_id": one, "class_name": name, "confidence": 0.3 / (one + 1)}
            for one, name in enumerate(_NAMES[:5])
        ],
        "timing_ms": {"queue": 0.1, "decode": 2, "preprocess": 1, "inference": 4, "total": 7.2},
        "cache": None,
        "degraded": False,
        "api_key_id": "0123456789abcdef",
        "label": None,
    } | changes


def accuracy(labels: int = 412, **changes: Any) -> dict[str, Any]:
    """Make a version's accuracy as the API tells it."""
    bins = [
        {"low": one / 15, "high": (one + 1) / 15, "count": one, "confidence": (one + 0.5) / 15,
         "accuracy": interval((one + 0.5) / 15) if one else None}
        for one in range(15)
    ]  # fmt: skip
    return {
        "version": "1", "digest": "a" * 64, "labels": labels, "is_enough": labels >= 30,
        "note": None, "since": None, "until": None, "top1": interval(0.81), "top5": interval(0.95),
        "held_out_top1": 0.79,
        "calibration": {"error": 0.041, "error_by_chance": 0.062, "is_off": False,
                        "mean_confidence": 0.84, "bins": bins},
        "sampling": None,
        "days": [{"date": one, "labels": 20, "top1": interval(0.8), "top5": interval(0.9)}
                 for one in _DAYS],
    } | changes  # fmt: skip


def drift(**changes: Any) -> dict[str, Any]:
    """Make a version's drift as the API tells it."""
    groups = [
        {"first_class_id": one, "last_class_id": one, "first_class_name": _NAMES[one],
         "last_class_name": _NAMES[one], "reference": 0.1 + one / 100, "window": 0.2}
        for one in range(5)
    ]  # fmt: skip
    return {
        "version": "1", "digest": "a" * 64,
        "reference": {"source": "evaluation", "count": 1000, "wanted": 1000, "is_complete": True},
        "window": {"count": 500, "wanted": 500, "since": None, "until": None},
        "is_enough": True, "is_alarm": False, "note": None,
        "classes": {"psi": 0.05, "threshold": 0.2, "by_chance": 0.08, "is_alarm": False,
                    "groups": groups,
                    "changed": [{"class_id": 1, "class_name": "tabby", "reference": 0.002,
                                 "window": 0.09}]},
        "confidences": {"ks": 0.04, "threshold": 0.15, "by_chance": 0.11, "is_alarm": False,
                        "reference_mean": 0.83, "window_mean": 0.61,
                        "bins": [{"low": one / 15, "high": (one + 1) / 15, "reference": 0.05,
                                  "window": 0.08} for one in range(15)]},
        "days": [{"date": one, "predictions": 1000, "psi": 0.05, "ks": 0.03, "is_alarm": False}
                 for one in _DAYS],
    } | changes  # fmt: skip


def problem(status: int, code: str, title: str, detail: str) -> dict[str, Any]:
    """Make a failure as the API tells it."""
    told = {"title": title, "status": status, "detail": detail, "code": code}
    return {"type": f"/docs/errors#{code}", **told, "request_id": "f" * 32}


@contextmanager
def answers(page: Page, *told: tuple[str, int, dict[str, str], Any]) -> Iterator[None]:
    """Answer the page in the service's place; the first path that fits counts."""
    script = _STAND_IN % json.dumps(told)
    added = page.tell("Page.addScriptToEvaluateOnNewDocument", source=script)
    try:
        yield
    finally:
        page.tell("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])


def listed(*predictions: dict[str, Any]) -> tuple[str, int, dict[str, str], Any]:
    """Answer with these predictions and no more."""
    return ("predictions?", 200, {}, {"predictions": predictions, "next_cursor": None})


def classes(names: list[str]) -> tuple[str, int, dict[str, str], Any]:
    """Answer what classes there are; it goes before what fits all below /predictions."""
    return ("predictions/", 200, {}, {"classes": names})


def figures(name: str, *versions: dict[str, Any]) -> tuple[str, int, dict[str, str], Any]:
    """Answer with the accuracy or the drift of the digits."""
    body = {"model": "digits", "least_labels": 30, "least_predictions": 200, "versions": versions}
    return (f"models/digits/{name}", 200, {}, body)


WELL = (classes(_NAMES), listed(prediction(1), prediction(2)),
        figures("accuracy", accuracy()), figures("drift", drift()))  # fmt: skip


def wait_until_asked(page: Page, what: str, times: int = 1) -> None:
    """Wait until the page has asked for something so many times."""
    page.wait(lambda: page.run("return window.asked").count(what) >= times, f"{what} was not asked")


def shows(page: Page, number: int) -> bool:
    """Tell whether the prediction of that number is shown."""
    return str(prediction(number)["id"]) in page.text("#card-facts")


def open_review(page: Page, server: LiveServer) -> None:
    """Open the page and wait until it shows anything."""
    page.driver.get(f"{server.url}/review")
    page.wait_until_shown("#card, #ended, #failure")


def test_an_empty_history_is_told(keeping: LiveServer, page: Page) -> None:
    """Before the first prediction, and where all have labels, the page says which it is."""
    with answers(page, listed(), figures("accuracy"), figures("drift")):
        open_review(page, keeping)
        page.wait_until_shown("#ended")
        assert page.text("#ended-title") == "No prediction is kept yet."
        assert not page.shown("#card, #failure, #undo-last")
        page.wait(lambda: "Nothing was predicted" in page.text("#drift-told"), "no word on drift")
    one = ("predictions?limit=1", 200, {}, {"predictions": [prediction(1)], "next_cursor": None})
    with answers(page, one, listed(), figures("accuracy"), figures("drift")):
        open_review(page, keeping)
        assert page.text("#ended-title") == "All of these are labelled."


def test_a_database_that_is_away_is_waited_for(keeping: LiveServer, page: Page) -> None:
    """The page says so, counts down what Retry-After says, and goes on when it is back."""
    told = problem(503, "history_unavailable", "The history does not answer at the moment.",
                   "The history's database does not answer. Try again later.")  # fmt: skip
    away = tuple((path, 503, {"Retry-After": "1"}, told) for path in ("predictions?", "models/"))
    with answers(page, *away):
        open_review(page, keeping)
        assert page.text("#failure-title") == told["title"]
        assert page.text("#failure-detail") == told["detail"]
        assert page.text("#failure-more") == f"Code history_unavailable, request {'f' * 32}"
        page.wait(lambda: page.text("#again") == "Try again", "it counts for ever")
        assert not page.shown("#card, #figures")
        back = {"predictions": [prediction(1)], "next_cursor": None}
        page.run("const [told] = arguments; window.fetch = async () => Response.json(told)", back)
        page.at("again").click()
        page.wait_until_shown("#card")
        assert not page.shown("#failure")


def test_a_label_that_fails_can_be_given_again(keeping: LiveServer, page: Page) -> None:
    """The prediction stays, and nothing is counted as labelled."""
    with answers(page, *WELL):
        open_review(page, keeping)
        page.run("window.fetch = () => Promise.reject(new TypeError('no network'))")
        page.press("1")
        page.wait_until_shown("#failure")
        assert page.text("#failure-title") == "No answer came."
        assert page.text("#card-title").startswith("Most likely: tench")
        assert page.text("#said") == ""
        labelled = prediction(1, label=label(0, "tench", 1))
        page.run(
            "const [told] = arguments; window.fetch = async () => Response.json(told)", labelled
        )
        page.at("again").click()
        page.wait(lambda: page.text("#said").startswith("Labelled “tench”."), "it was not given")
        assert not page.shown("#failure")


def test_a_prediction_that_is_gone_can_be_skipped(keeping: LiveServer, page: Page) -> None:
    """Deleted while it was looked at, it is told to be gone, and S goes on."""
    gone = problem(404, "not_found", "There is nothing at this address.",
                   "There is no prediction of this id in the history.")  # fmt: skip
    with answers(page, ("predictions/", 404, {}, gone), *WELL[1:]):
        open_review(page, keeping)
        page.press("1")
        page.wait_until_shown("#failure")
        assert "no prediction of this id" in page.text("#failure-detail")
        assert not page.shown("#again")
        page.press("s")
        page.wait(lambda: "1 skipped" in page.text("#said"), "it was not skipped")
        assert not page.shown("#failure")


def test_the_key_is_asked_for_and_its_scope_told(guarded_keeping: LiveServer, page: Page) -> None:
    """No key, a wrong one and one without the scope are told apart; a good one shows all."""
    page.driver.get(f"{guarded_keeping.url}/review")
    page.wait_until_shown("#key-form")
    assert page.text("#said") == "Type in your API key above. Then predictions are listed."
    page.at("key").send_keys("wrong", Keys.ENTER)
    page.wait_until_shown("#failure")
    assert page.text("#failure-title") == "A valid API key is needed."
    assert page.focused_id() == "key"
    page.at("key").clear()
    page.at("key").send_keys(PREDICT_KEY, Keys.ENTER)
    page.wait(lambda: "scope" in page.text("#failure-detail"), "the scope was not told")
    assert page.text("#failure-title") == "This is not allowed."
    page.at("key").clear()
    page.at("key").send_keys(KEY, Keys.ENTER)
    page.wait_until_shown("#ended")
    assert not page.shown("#failure, #key-form")
    assert page.text("#key-set") == "Your API key goes with every request. Change it"
    assert page.focused_id() == "ended"
    kept = "return [localStorage.length, sessionStorage.length, document.cookie, location.search]"
    assert page.run(kept) == [0, 0, "", ""]


def test_one_model_of_several_can_be_chosen(keeping: LiveServer, page: Page) -> None:
    """Where there are several, a choice asks for its predictions and figures, and is an address."""
    with answers(page, *WELL, ("models/things/", 200, {}, {"model": "things", "versions": []})):
        open_review(page, keeping)
        page.wait_until_shown("#version")
        chosen = page.driver.find_element("css selector", "#version option[value='things@2']")
        chosen.click()
        wait_until_asked(page, "GET models/things/drift?version=2")
        wanted = (
            "GET predictions?labelled=false&order=least_confident&model=things&version=2&limit=50"
        )
        assert wanted in page.run("return window.asked")
        assert page.run("return location.search") == "?model=things@2"
        page.driver.refresh()
        wait_until_asked(page, wanted)


def test_page_follows_page(keeping: LiveServer, page: Page) -> None:
    """The next page is asked for by its cursor while there are some to look at."""
    first = {"predictions": [prediction(1), prediction(2)], "next_cursor": "c1"}
    second = {"predictions": [prediction(3)], "next_cursor": None}
    asked = "predictions?labelled=false&order=least_confident&limit=50"
    told = ((f"{asked}&cursor=c1", 200, {}, second), (asked, 200, {}, first))
    with answers(page, *told, *WELL):
        open_review(page, keeping)
        wait_until_asked(page, f"GET {asked}&cursor=c1")
        for number in (1, 2, 3):
            page.wait(lambda number=number: shows(page, number), f"{number} was not shown")
            page.press("s")
        page.wait_until_shown("#ended")


def test_nothing_is_labelled_unseen(keeping: LiveServer, page: Page) -> None:
    """While a label is on its way, and while a key is held down, no further one is given."""
    with answers(page, *WELL):
        open_review(page, keeping)
        page.run(
            "window.given = 0; window.fetch = (path, { method }) => new Promise(() => {"
            "  if (method === 'PUT') window.given += 1; });"
        )
        held = "new KeyboardEvent('keydown', { key: '1', repeat: true, bubbles: true })"
        page.run(f"document.body.dispatchEvent({held})")
        assert page.run("return window.given") == 0
        page.press("1", "2", "s", "u")
        page.driver.find_elements("css selector", ".suggestion")[2].click()
        assert page.run("return window.given") == 1
        assert shows(page, 1)


def test_figures_follow_labels(keeping: LiveServer, page: Page) -> None:
    """Shortly after a label both are asked for again."""
    labelled = prediction(1, label=label(0, "tench", 1))
    given = (f"predictions/{labelled['id']}/label", 200, {}, labelled)
    with answers(page, given, *WELL):
        open_review(page, keeping)
        wait_until_asked(page, "GET models/digits/drift?version=1")
        page.press("1")
        wait_until_asked(page, "GET models/digits/drift?version=1", times=2)


def test_hostile_names_stay_text(keeping: LiveServer, page: Page) -> None:
    """Classes are called anything: no name becomes markup, wherever it is shown."""
    one = prediction(1, label=label(3, HOSTILE_NAME, 4), request_id=HOSTILE_NAME)
    told = drift(note=HOSTILE_NAME, is_alarm=True)
    with answers(page, classes(_NAMES), listed(one), *WELL[2:3], figures("drift", told)):
        open_review(page, keeping)
        page.wait_until_shown("#drift-told .plot")
        page.wait(lambda: "7 classes" in page.text("#search-hint"), "no class names came")
        page.press("i", "m", "g")
        page.wait_until_shown("#found")
        assert page.text("#found") == HOSTILE_NAME
        assert HOSTILE_NAME in page.text("#suggestions")
        assert page.run("return document.querySelectorAll('[onerror]').length") == 0
        assert page.driver.title == "topfive: review predictions"


def test_classes_of_one_name_are_told_apart(keeping: LiveServer, page: Page) -> None:
    """A model may have two classes called crane: the search tells their ids too."""
    with answers(page, *WELL):
        open_review(page, keeping)
        page.wait(lambda: "7 classes" in page.text("#search-hint"), "no class names came")
        page.press("c", "r", "a")
        assert page.text("#found") == "crane (4)crane (5)"


def test_accuracy_is_told_with_intervals_and_counts(keeping: LiveServer, page: Page) -> None:
    """Figures, their 95% intervals, the count, a point and a band by day, and calibration."""
    with answers(page, *WELL):
        open_review(page, keeping)
        page.wait_until_shown("#accuracy-told .headlines")
        assert page.run(_FIGURES, "accuracy") == [
            "Top 1 right 81.0%95%: 76.0% to 86.0%",
            "Top 5 right 95.0%95%: 90.0% to 100.0%",
            "Labels 412enough to tell",
            "When made 79.0%top 1 on photos held out",
        ]
        assert page.run(_MARKS, "accuracy", ".plot:nth-of-type(1) .dot.first") == len(_DAYS)
        assert page.run(_MARKS, "accuracy", ".band.first") == 1
        assert page.run(_MARKS, "accuracy", ".level.held-out") == 1
        assert page.run(_MARKS, "accuracy", ".plot:nth-of-type(2) .dot") == 14
        chart = page.driver.find_element("css selector", "#accuracy .chart")
        assert chart.get_attribute("aria-label") == (
            "Share of right predictions by day, 2026-11-01 to 2026-11-20; in all 81.0% top 1, "
            "of 412 labels."
        )
        rows = "return document.querySelector('#accuracy tbody tr').textContent"
        assert page.run(rows) == "2026-11-012080.0% (75.0% to 85.0%)90.0% (85.0% to 95.0%)"


def test_few_labels_do_not_look_like_truth(keeping: LiveServer, page: Page) -> None:
    """With three labels the figures are grey, and it is said that they are too few."""
    note = "3 labelled predictions are too few to tell: 30 are needed."
    few = accuracy(3, note=note, top1=interval(0.67, 0.4), days=accuracy()["days"][:1])
    with answers(page, *WELL[:2], figures("accuracy", few), figures("drift", drift())):
        open_review(page, keeping)
        page.wait_until_shown("#accuracy-told .headlines.few")
        assert page.text("#accuracy-told .note") == note
        assert "Labels 3too few to tell" in page.run(_FIGURES, "accuracy")
        weights = "return getComputedStyle(document.querySelector('#accuracy dd')).fontWeight"
        assert page.run(weights) == "400"
        assert page.run(_MARKS, "accuracy", ".whisker.first") > 0
        assert "Too few labels to tell" in page.text("#accuracy-told")


def test_drift_is_told_where_it_is(keeping: LiveServer, page: Page) -> None:
    """An alarm says why; the days that had one stand out, and what changed most is told."""
    days = [one | {"psi": 0.4, "is_alarm": at > 14} for at, one in enumerate(drift()["days"])]
    note = "Predicted classes differ from the reference: PSI 0.31, over 0.2."
    alarmed = drift(is_alarm=True, note=note, days=days)
    with answers(page, *WELL[:3], figures("drift", alarmed)):
        open_review(page, keeping)
        page.wait_until_shown("#drift-told .note.bad")
        assert page.text("#drift-told .note.bad") == note
        assert page.run(_MARKS, "drift", ".dot.first[r='5']") == 5
        chart = page.driver.find_element("css selector", "#drift .chart")
        assert chart.get_attribute("aria-label") == (
            "PSI and KS by day, 2026-11-01 to 2026-11-20; 5 days with drift."
        )
        assert "tabby0.2%9.0%" in page.text("#drift-told")
    with answers(page, *WELL):
        open_review(page, keeping)
        page.wait_until_shown("#drift-told .headlines")
        assert "Predictions are as in the reference." in page.text("#drift-told")
        assert page.run(_FIGURES, "drift")[0] == "Classes PSI 0.05drift from 0.20"


def test_too_few_predictions_for_drift_are_told(keeping: LiveServer, page: Page) -> None:
    """Without enough of them there is a sentence, and no chart."""
    note = "130 predictions are too few for a reference: 1,000 are needed."
    reference = {"source": "first_predictions", "count": 130, "wanted": 1000, "is_complete": False}
    few = drift(is_enough=False, note=note, classes=None, confidences=None, reference=reference,
                days=[one | {"psi": None, "ks": None} for one in drift()["days"]])  # fmt: skip
    with answers(page, *WELL[:3], figures("drift", few)):
        open_review(page, keeping)
        page.wait(lambda: note in page.text("#drift-told"), "nothing was said")
        assert page.run(_MARKS, "drift", "svg") == 0


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_word_breaks_and_nothing_sticks_out(
    keeping: LiveServer, page: Page, digits: Path, width: int, height: int
) -> None:
    """With all that may be shown, and names of 300 letters, no page scrolls sideways."""
    page.resize(width, height, is_phone=width < 500)
    labelled = prediction(1, label=label(1, "tabby", 2))
    told = (classes(_NAMES[:3]), listed(labelled), *WELL[2:])
    with answers(page, *told):
        open_review(page, keeping)
        page.wait_until_shown("#drift-told .plot")
        page.drop(*digits.glob("sample-*.png"))
        page.wait(lambda: page.text("#looked") == "4 pictures here.", "they were not looked at")
        page.run("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.content_width() == width
        broken = [word for word in page.run(BROKEN_WORDS) if len(word) < 32]
        assert [one for one in broken if one not in HOSTILE_NAME] == []
        page.run("document.querySelector('.suggestion .label').textContent = 'x'.repeat(300)")
        page.run("document.querySelector('#card-title').textContent = 'x'.repeat(300)")
        page.run("document.querySelector('#version option').text = 'x'.repeat(128)")
        assert page.content_width() == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(keeping: LiveServer, page: Page, axe: str, scheme: str) -> None:
    """With a prediction and figures, while searching, in the help, at the end and in a failure."""
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    labelled = prediction(1, label=label(1, "tabby", 2))
    alarmed = drift(is_alarm=True, note="It drifts.")
    told = (classes(_NAMES), listed(labelled), WELL[2], figures("drift", alarmed))
    with answers(page, *told):
        open_review(page, keeping)
        page.wait_until_shown("#drift-told .plot")
        page.run(axe)
        page.run("for (const one of document.querySelectorAll('details')) one.open = true")
        for hidden in ("key-form", "key-set", "failure", "only-line"):
            page.run("document.getElementById(arguments[0]).hidden = false", hidden)
        page.run("document.getElementById('failure-title').textContent = 'Why.'")
        assert page.driver.execute_async_script(CHECK) == []
        page.press("c", "r")
        page.wait_until_shown("#found")
        assert page.driver.execute_async_script(CHECK) == []
        page.press(Keys.ESCAPE, "?")
        page.wait_until_shown("#keys")
        assert page.driver.execute_async_script(CHECK) == []
        page.press(Keys.ESCAPE, "s")
        page.wait_until_shown("#ended")
        assert page.driver.execute_async_script(CHECK) == []


def test_without_javascript_the_page_says_what_to_do(keeping: LiveServer, page: Page) -> None:
    """No dead button is shown."""
    page.tell("Emulation.setScriptExecutionDisabled", value=True)
    page.driver.get(f"{keeping.url}/review")
    assert page.shown("noscript p")
    assert "/predictions" in page.text("noscript")
    assert not page.shown("button, select, input, #figures")


def label(class_id: int, name: str, rank: int | None) -> dict[str, Any]:
    """Make a label as the API tells it."""
    return {"class_id": class_id, "class_name": name, "rank": rank, "source": "person",
            "labelled_at": "2026-11-26T10:20:00Z"}  # fmt: skip
