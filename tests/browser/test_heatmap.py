"""Where a model saw its best class: asked for by a person, and laid over the picture."""

import io
import json
import shutil
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("selenium", reason="Install requirements-dev.txt to run this.")

from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Page
from tests.live_server import LiveServer, run_server
from tests.pictures import tiff

# Notes of each upload where it goes.
_SPY = """
const send = window.fetch;
window.uploads = [];
window.fetch = (where, options) => {
  if (options?.body) uploads.push(where);
  return send(where, options);
};
"""
# Where the drawn heatmap is most opaque, as shares of its width and height.
_HOTTEST = """
const canvas = document.getElementById('heat');
const { width, height } = canvas;
const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
let [most, at] = [-1, 0];
for (let one = 0; one < width * height; one += 1) {
  const heat = data[one * 4 + 3] * 1000 + data[one * 4] + data[one * 4 + 1];
  if (heat > most) [most, at] = [heat, one];
}
return [width, height, at % width, Math.floor(at / width)];
"""
_BOX = "return document.getElementById(arguments[0]).getBoundingClientRect().toJSON()"
_OPACITY = "return getComputedStyle(document.getElementById('heat')).opacity"
_WITH = """
const [name, call, values, done] = arguments;
import(`/static/${name}.js`).then((module) => done(module[call](...values)));
"""


def test_a_heatmap_is_asked_for_by_a_click(server: LiveServer, page: Page, digits: Path) -> None:
    """Not before; then the same picture goes to the same model, and no answer is disturbed."""
    page.open(server.url)
    page.run(_SPY)
    page.pick(digits / "sample-eight.png")
    page.wait_until_shown("#explain")
    assert page.at("explain").text == "Show where eight was seen"
    assert not page.shown("#heat, #heat-controls, #explain-2")
    assert page.run("return uploads") == ["predict"]
    page.at("explain").click()
    page.wait_until_shown("#heat")
    asked = "predict?model=digits&version=1&explain=heatmap"
    assert page.run("return uploads") == ["predict", asked]
    assert page.at("explain").text == "Hide the heatmap"
    assert page.text("#heat-said").startswith("Brighter parts count more for eight. ")
    assert page.at("heat-said").find_element("xpath", "..").get_attribute("role") == "status"
    label = page.at("heat").get_attribute("aria-label") or ""
    assert label.startswith("Heatmap: what counts most for eight lies ")
    assert page.text("#classes .label") == "eight"
    page.at("explain").click()
    assert not page.shown("#heat, #heat-controls, #heat-said")
    page.at("explain").click()
    assert page.shown("#heat")
    assert len(page.run("return uploads")) == 2  # it is known by now


def test_it_lies_on_the_picture(server: LiveServer, page: Page, digits: Path) -> None:
    """Pixel for pixel as the API gives it, exactly over the picture, on a phone too."""
    picture = digits / "sample-three.png"
    page.open(server.url)
    page.pick(picture)
    _show(page)
    given = server.upload(picture.read_bytes(), "/predict?explain=heatmap").json["heatmap"]
    grey = Image.open(io.BytesIO(b64decode(given["png"])))
    width, height, x, y = page.run(_HOTTEST)
    assert (width, height) == grey.size == (given["width"], given["height"])
    assert grey.getpixel((x, y)) == grey.getextrema()[1]
    for size in ((1000, 800), (360, 740)):
        page.resize(*size, is_phone=size[0] < 500)
        picture_box, heat_box = page.run(_BOX, "preview-image"), page.run(_BOX, "heat")
        for side in ("left", "top", "width", "height"):
            assert heat_box[side] == pytest.approx(picture_box[side], abs=0.5)


def test_the_slider_lets_the_picture_through(server: LiveServer, page: Page, digits: Path) -> None:
    """From the picture alone to all of the heatmap, by keyboard too."""
    page.open(server.url)
    page.pick(digits / "sample-three.png")
    _show(page)
    assert page.run(_OPACITY) == "0.6"
    assert page.text("label[for=strength]") == "Heatmap"
    page.at("strength").send_keys(Keys.HOME)
    assert page.run(_OPACITY) == "0"
    page.at("strength").send_keys(Keys.END)
    assert page.run(_OPACITY) == "1"


def test_another_picture_has_none_yet(server: LiveServer, page: Page, digits: Path) -> None:
    """The heatmap goes with its picture, and with a failure there is none to ask for."""
    page.open(server.url)
    page.pick(digits / "sample-three.png")
    _show(page)
    page.pick(digits / "sample-five.png")
    page.wait(lambda: page.text("#classes .label") == "five", "it was not answered")
    page.wait(lambda: page.text("#explain") == "Show where five was seen", "it is not offered")
    assert not page.shown("#heat, #heat-controls, #heat-said")


def test_what_cannot_be_shown_has_no_heatmap(
    server: LiveServer, page: Page, tmp_path: Path
) -> None:
    """Where the browser does not show the picture, there is nothing to lay it on."""
    file = tmp_path / "scan.tiff"
    file.write_bytes(tiff())
    page.open(server.url)
    page.pick(file)
    page.wait_until_shown("#result")
    page.wait(lambda: not page.shown("#preview-image"), "a broken preview is shown")
    assert not page.shown("#explain")


def test_a_failure_takes_the_heatmaps_place(server: LiveServer, page: Page, digits: Path) -> None:
    """The answer stays, the failure is told, and the button asks again."""
    page.open(server.url)
    page.pick(digits / "sample-three.png")
    page.wait_until_shown("#explain")
    page.set_online(is_online=False)
    page.at("explain").click()
    page.wait_until_shown("#heat-failure")
    assert page.text("#heat-failure").startswith("No answer came. ")
    assert page.shown("#result")
    page.set_online(is_online=True)
    page.at("explain").click()
    page.wait_until_shown("#heat")
    assert not page.shown("#heat-failure")


def test_a_model_without_heatmaps_says_so(tmp_path: Path, page: Page, digits: Path) -> None:
    """The answer of an older bundle stays, and the page says in the API's words what is missing."""
    older = _of_the_first_layout(digits, tmp_path / "older")
    with run_server(tmp_path, model=str(older)) as server:
        page.open(server.url)
        page.pick(digits / "sample-three.png")
        page.wait_until_shown("#explain")
        page.at("explain").click()
        page.wait_until_shown("#heat-failure")
        picture = (digits / "sample-three.png").read_bytes()
        problem = server.upload(picture, "/predict?explain=heatmap").json
    assert problem["code"] == "heatmap_unavailable"
    assert problem["detail"] in page.text("#heat-failure")
    assert page.text("#classes .label") == "three"
    assert not page.shown("#heat")


def test_two_models_have_a_heatmap_each(several: LiveServer, page: Page, digits: Path) -> None:
    """In a comparison each model is asked for its own, and one is shown at a time."""
    page.driver.get(f"{several.url}/?compare=numerals@2")
    page.wait_until_shown("#picker")
    page.run(_SPY)
    page.pick(digits / "sample-three.png")
    page.wait_until_shown("#agreement")
    assert page.at("explain").text == "Show where numerals@1 saw three"
    assert page.at("explain-2").text == "Show where numerals@2 saw five"
    page.at("explain-2").click()
    page.wait_until_shown("#heat")
    assert page.text("#heat-said").startswith("Brighter parts count more for five. ")
    assert page.at("explain").text == "Show where numerals@1 saw three"
    page.at("explain").click()
    page.wait(lambda: "for three" in page.text("#heat-said"), "the other was not shown")
    assert page.at("explain-2").text == "Show where numerals@2 saw five"
    asked = [f"predict?model=numerals&version={n}&explain=heatmap" for n in (2, 1)]
    assert page.run("return uploads")[2:] == asked


def test_one_of_many_has_a_heatmap(server: LiveServer, page: Page, digits: Path) -> None:
    """A picture that is looked at closely can be explained like any other."""
    page.open(server.url)
    files = [digits / f"sample-{name}.png" for name in ("eight", "five")]
    page.at("file").send_keys("\n".join(map(str, files)))
    page.wait(lambda: page.text("#many-count") == "2 classified", "they were not classified")
    page.driver.find_elements("css selector", ".tile button")[1].click()
    _show(page)
    assert page.text("#heat-said").startswith("Brighter parts count more for five. ")
    page.at("previous").click()
    page.wait(lambda: page.text("#explain") == "Show where eight was seen", "it is not offered")
    assert not page.shown("#heat")


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [(0, 0, "in the upper left"), (4, 4, "in the middle"), (8, 4, "in the right part"),
     (4, 8, "in the lower part"), (8, 8, "in the lower right")],
)  # fmt: skip
def test_the_place_is_said(server: LiveServer, page: Page, x: int, y: int, place: str) -> None:
    """Who does not see the picture is told where it is hottest."""
    page.open(server.url)
    grey = [0] * 81
    grey[y * 9 + x] = 255
    heatmap = {"width": 9, "height": 9, "grey": grey}
    assert page.driver.execute_async_script(_WITH, "heatmap", "whereabouts", [heatmap]) == place


def _of_the_first_layout(bundle: Path, folder: Path) -> Path:
    """Copy a bundle as it was written before there were heatmaps."""
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["heatmap"]
    (folder / "bundle.json").write_text(json.dumps(manifest | {"layout": 1}))
    return folder


def _show(page: Page) -> None:
    page.wait_until_shown("#explain")
    page.at("explain").click()
    page.wait_until_shown("#heat")
