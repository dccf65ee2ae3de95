"""`explain=heatmap`, as a caller asks for it and reads it."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.functional.start import run_topfive
from tests.live_server import LiveServer, form_of, run_server
from tests.pictures import jpeg, png, rotated
from tests.unit.bundle_copies import copy_bundle
from topfive.cache.limits import LEAST_BYTES


@pytest.fixture(scope="module")
def server(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A worker with the tiny model, and one like it of before there were heatmaps."""
    root = tmp_path_factory.mktemp("heatmaps") / "models"
    copy_bundle(tiny_folder, root / "tiny" / "1")
    copy_bundle(tiny_folder, root / "older" / "1", name="older", layout=1, heatmap=None)
    with run_server(
        root.parent, model="tiny", models="older", cache_bytes=str(LEAST_BYTES)
    ) as running:
        yield running


def opened(heatmap: dict[str, Any]) -> Image.Image:
    """Open a heatmap's PNG as any program would, and check it against what is said of it."""
    image = Image.open(io.BytesIO(base64.b64decode(heatmap["png"], validate=True)))
    assert (image.format, image.mode) == ("PNG", "L")
    assert image.size == (heatmap["width"], heatmap["height"])
    return image


def test_a_query_gets_a_heatmap(server: LiveServer) -> None:
    """It comes last in the answer: of the best class, with the picture's aspect ratio."""
    answer = server.upload(jpeg(600, 400), "/predict?explain=heatmap&top_k=2")
    assert answer.status == 200
    assert list(answer.json)[-1] == "heatmap"
    heatmap = answer.json["heatmap"]
    assert list(heatmap) == ["class_id", "width", "height", "png"]
    assert heatmap["class_id"] == answer.json["predictions"][0]["class_id"]
    assert len(answer.json["predictions"]) == 2
    image = opened(heatmap)
    assert image.size == (64, 43)
    assert image.getextrema()[1] == 255


def test_a_field_of_the_form_gets_it_too(server: LiveServer) -> None:
    """What may stand in the query may stand in the form."""
    body, kind = form_of(
        ('name="file"; filename="a.png"\r\nContent-Type: image/png', png()),
        ('name="explain"', b"heatmap"),
    )
    answer = server.request("POST", "/predict", body, {"Content-Type": kind})
    assert opened(answer.json["heatmap"]).size == (64, 43)


def test_a_turned_picture_has_the_heatmap_of_the_upright_one(server: LiveServer) -> None:
    """It lies on the picture as a browser shows it."""
    turned, upright = (
        server.upload(one, "/predict?explain=heatmap").json["heatmap"]
        for one in (rotated(6, "PNG"), png())
    )
    assert turned == upright


def test_nobody_gets_one_unasked(server: LiveServer) -> None:
    """Without the field there is no such key; the classes are the same."""
    plain = server.upload(png()).json
    assert "heatmap" not in plain
    assert (
        plain["predictions"] == server.upload(png(), "/predict?explain=heatmap").json["predictions"]
    )


def test_an_older_bundle_says_that_it_has_none(server: LiveServer) -> None:
    """400 heatmap_unavailable with what to do; without the field it answers as ever."""
    answer = server.upload(png(), "/predict?explain=heatmap&model=older")
    assert (answer.status, answer.code) == (400, "heatmap_unavailable")
    assert "topfive pull" in answer.json["detail"]
    assert server.upload(png(), "/predict?model=older").status == 200


@pytest.mark.parametrize("value", ["", "Heatmap", "1", "gradcam"])
def test_another_word_is_refused(server: LiveServer, value: str) -> None:
    """`explain` takes one word, and the answer says which."""
    answer = server.upload(png(), f"/predict?explain={value}")
    assert (answer.status, answer.code) == (400, "invalid_parameter")
    assert answer.json["detail"] == f"`explain` must be `heatmap`, not '{value}'."


def test_the_platforms_that_take_the_same_fields_answer_it_too(server: LiveServer) -> None:
    """SageMaker's instances may ask for it: each has a heatmap of its own."""
    encoded = [{"b64": base64.b64encode(one).decode()} for one in (png(), png(64, 96))]
    body = json.dumps({"instances": encoded, "parameters": {"explain": "heatmap"}}).encode()
    answer = server.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    assert [opened(one["heatmap"]).size for one in answer.json["predictions"]] == [
        (64, 43),
        (43, 64),
    ]


def test_every_picture_of_a_batch_has_its_own(server: LiveServer) -> None:
    """Each result has one; a picture that fails has none; an older bundle tells it for each."""
    body, kind = form_of(
        ('name="explain"', b"heatmap"),
        ('name="files"; filename="a.png"', png()),
        ('name="files"; filename="b.png"', b"text"),
        ('name="files"; filename="c.png"', png(64, 96)),
    )
    first, bad, last = server.request("POST", "/predict/batch", body, {"Content-Type": kind}).json[
        "results"
    ]
    assert [opened(one["heatmap"]).size for one in (first, last)] == [(64, 43), (43, 64)]
    assert bad["error"]["code"] == "unsupported_format"
    body, kind = form_of(('name="files"; filename="a.png"', png()))
    (result,) = server.request(
        "POST", "/predict/batch?explain=heatmap&model=older", body, {"Content-Type": kind}
    ).json["results"]
    assert result["error"]["code"] == "heatmap_unavailable"


def test_a_kept_answer_has_the_heatmap_only_for_those_who_ask(server: LiveServer) -> None:
    """The cache keeps an answer with its heatmap, apart from the one without."""
    picture = png(seed=7)
    plain, explained, again, plain_again = (
        server.upload(picture, f"/predict{query}")
        for query in ("", "?explain=heatmap", "?explain=heatmap", "")
    )
    told = [one.headers["Cache-Status"] for one in (plain, explained, again, plain_again)]
    stored, hit = "topfive; fwd=uri-miss; stored", "topfive; hit"
    assert told == [stored, stored, hit, hit]
    assert again.json["heatmap"] == explained.json["heatmap"]
    assert "heatmap" not in plain_again.json


def test_the_command_lays_it_over_pictures_that_a_service_has_seen(
    server: LiveServer, tmp_path: Path
) -> None:
    """`topfive classify --url --heatmap` writes a PNG for each file, of the file's shape."""
    for name, data in (("a.png", png(200, 100)), ("b.jpg", jpeg(60, 80)), ("c.png", b"text")):
        (tmp_path / name).write_bytes(data)
    arguments = ("--url", server.url, "--heatmap", "seen", "a.png", "b.jpg", "c.png")
    done = run_topfive(tmp_path, "classify", *arguments)
    assert done.returncode == 1
    assert "c.png: " in done.stderr
    sizes = {}
    for path in (tmp_path / "seen").iterdir():
        with Image.open(path) as image:
            sizes[path.name] = image.size
    assert sizes == {"a.png.png": (200, 100), "b.jpg.png": (60, 80)}


def test_a_picture_that_is_none_stays_a_failure(server: LiveServer) -> None:
    """What cannot be decoded is refused as ever, whatever is asked of it."""
    assert server.upload(b"text", "/predict?explain=heatmap").code == "unsupported_format"
    assert server.upload(jpeg()[:300], "/predict?explain=heatmap").code == "invalid_image"
