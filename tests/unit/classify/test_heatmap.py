"""Where the best class was seen: how a map is brought back to the picture."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import load_file

from tests import pictures
from tests.unit.bundle_copies import change_manifest, copy_bundle, replace_file
from topfive.bundles.store import open_bundle
from topfive.classify import loading
from topfive.classify.heatmap import (
    LONGEST_SIDE,
    ClassWeights,
    draw_heatmap,
    open_class_maps,
)
from topfive.classify.loading import load_classifier
from topfive.engines import EngineOptions, open_engine
from topfive.errors import BundleRefused, EngineRefused, HeatmapUnavailable
from topfive.images.decode import Decoded
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.input_recipe import InputRecipe

LIMITS = ImageLimits()
RECIPE = InputRecipe(resize=232, crop=224, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
WHOLE = RECIPE.model_copy(update={"resize": 224})
CORNER = np.zeros((7, 7), np.float32)
CORNER[0, 0] = 3


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    """The tiny bundle in OpenVINO."""
    loaded = load_classifier(tiny_bundle, EngineOptions("openvino", "f32"), LIMITS, frozenset())
    yield loaded
    loaded.close()


@pytest.fixture
def copied(tiny_folder, tmp_path):
    """A copy of the tiny bundle to change."""
    return copy_bundle(tiny_folder, tmp_path / "copy")


def _decoded(width: int, height: int, shrunk: int = 1) -> Decoded:
    pixels = Image.new("RGB", (max(1, width // shrunk), max(1, height // shrunk)))
    return Decoded(pixels, "PNG", (width, height))


def _levels(heatmap):
    with Image.open(io.BytesIO(heatmap.png)) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        assert image.size == (heatmap.width, heatmap.height)
        return np.asarray(image)


def _draw(class_map, width, height, recipe=WHOLE, shrunk=1):
    return _levels(draw_heatmap(1, class_map, _decoded(width, height, shrunk), recipe))


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((500, 375), (64, 48)),
        ((375, 500), (48, 64)),
        ((64, 64), (64, 64)),
        ((40, 30), (40, 30)),
        ((20_000, 3), (64, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_a_heatmap_has_the_shape_of_the_picture(size, drawn):
    """It has the picture's aspect ratio, is never larger than it, and bounded."""
    heatmap = draw_heatmap(7, CORNER, _decoded(*size), RECIPE)
    assert (heatmap.width, heatmap.height) == drawn
    assert max(drawn) <= LONGEST_SIDE
    assert heatmap.class_id == 7
    _levels(heatmap)


def test_a_corner_of_the_map_is_that_corner_of_the_picture():
    """What is seen at the top left is bright at the top left, and dark elsewhere."""
    levels = _draw(CORNER, 64, 64)
    assert levels[0, 0] == levels[4, 4] == 255
    assert (levels[15:] == 0).all()
    assert (levels[:, 15:] == 0).all()
    assert _draw(CORNER.T[::-1], 64, 64)[-1, 0] == 255


@pytest.mark.parametrize("size", [(400, 200), (200, 400)])
def test_beyond_the_square_that_the_model_sees_it_is_black(size):
    """Of a long picture the model sees the middle: both ends are black, the middle is not."""
    levels = _draw(np.ones((7, 7), np.float32), *size)
    levels = levels if size[0] > size[1] else levels.T
    assert (levels[:, :16] == 0).all()
    assert (levels[:, 16:48] == 255).all()
    assert (levels[:, 48:] == 0).all()


def test_the_crops_margin_is_black_too():
    """Of 232 pixels 224 are seen: the edge of a square picture is not."""
    levels = _draw(np.ones((7, 7), np.float32), 1280, 1280, RECIPE)
    assert (levels[1:-1, 1:-1] == 255).all()
    assert not levels[:1].any()
    assert not levels[:, -1:].any()


def test_of_the_longest_picture_there_is_something_to_see():
    """Where the part that is seen is narrower than a pixel, that pixel is drawn."""
    levels = _draw(np.ones((7, 7), np.float32), 20_000, 3)
    assert (levels == 255).sum() == 1


def test_a_picture_that_was_shrunk_while_decoding_has_the_same_map():
    """The map is of the picture, not of what the decoder made of it."""
    map_ = np.arange(49, dtype=np.float32).reshape(7, 7)
    assert (_draw(map_, 1600, 1200) == _draw(map_, 1600, 1200, shrunk=4)).all()


def test_only_proportions_count_and_what_speaks_against_is_black():
    """A map times a number draws the same; negative places are as black as none."""
    map_ = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    levels = _draw(map_, 64, 48)
    assert (levels == _draw(map_ * 1000, 64, 48)).all()
    assert (levels == _draw(np.maximum(map_, 0), 64, 48)).all()
    assert levels.max() >= 250
    assert not _draw(-np.abs(map_), 64, 48).any()
    assert not _draw(np.zeros_like(map_), 64, 48).any()


@given(
    st.integers(1, 30_000),
    st.integers(1, 30_000),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(0, 99),
)
def test_any_picture_and_grid_give_a_heatmap(width, height, down, across, seed):
    """Whatever the sizes, a whole PNG of the picture's shape comes out, and shows something."""
    map_ = np.random.default_rng(seed).random((down, across)).astype(np.float32) + 0.1
    heatmap = draw_heatmap(0, map_, _decoded(width, height, shrunk=100), RECIPE)
    assert _levels(heatmap).any()
    scale = max(1, max(width, height) / LONGEST_SIDE)
    assert heatmap.width == pytest.approx(max(1, width / scale), abs=0.51)
    assert heatmap.height == pytest.approx(max(1, height / scale), abs=0.51)


def test_an_explanation_has_the_classes_of_a_prediction(classifier):
    """The classes are those without it, and the heatmap is of the best one."""
    prepared = classifier.prepare(sniff(pictures.png(400, 300), LIMITS))
    explained, plain = classifier.explain(prepared, 3), classifier.infer(prepared.pixels, 3)
    assert explained.classes == plain.classes
    assert plain.heatmap is None
    assert explained.heatmap.class_id == plain.classes[0].class_id
    assert (explained.heatmap.width, explained.heatmap.height) == (64, 48)
    assert _levels(explained.heatmap).max() == 255


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_has_the_heatmap_of_the_upright_one(classifier, orientation):
    """The map lies on the picture as people see it, after its EXIF orientation."""
    turned, upright = (
        classifier.explain(classifier.prepare(sniff(one, LIMITS)), 1).heatmap
        for one in (pictures.rotated(orientation, "PNG"), pictures.png())
    )
    assert (turned.width, turned.height) == (64, 43)
    assert turned == upright


def test_a_bundle_of_the_first_layout_has_no_heatmap(copied):
    """It serves as before; who asks for a heatmap is told what to do."""
    older = (("layout", 1), ("heatmap", None))
    change_manifest(copied, lambda one: one.update(older))
    loaded = load_classifier(
        open_bundle(copied), EngineOptions("openvino", "f32"), LIMITS, frozenset()
    )
    upload = sniff(pictures.png(), LIMITS)
    assert loaded.classify(upload, 5).classes
    with pytest.raises(HeatmapUnavailable, match="topfive pull"):
        loaded.require_heatmap()
    with pytest.raises(HeatmapUnavailable):
        loaded.explain(loaded.prepare(upload), 5)
    loaded.close()


def test_weights_are_read_by_class(tiny_bundle):
    """A class's map is its row of the last layer's weights over the features."""
    rows = load_file(tiny_bundle.folder / "weights.safetensors")["classifier.1.weight"]
    features = np.random.default_rng(0).random((2, 2, rows.shape[1])).astype(np.float32)
    weights = open_class_maps(tiny_bundle)
    assert isinstance(weights, ClassWeights)
    for class_id in (0, 9):
        expected = np.einsum("hwc,c->hw", features, rows[class_id])
        np.testing.assert_allclose(weights.weigh(features, class_id), expected, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_weights_lie_anywhere_in_the_graphs_file(copied, dtype):
    """Rows are read from any byte on, up to the file's last, in either kind of numbers."""
    rows = np.random.default_rng(0).random((10, 3)).astype({"f32": "<f4", "f16": "<f2"}[dtype])
    content = b"\x7f" * 4099 + rows.tobytes()
    _place(copied, content, offset_bytes=4099, dtype=dtype, channels=3)
    weights = open_class_maps(open_bundle(copied))
    features = np.ones((1, 1, 3), np.float32)
    for class_id in range(10):
        expected = rows[class_id].astype(np.float32).sum()
        np.testing.assert_allclose(weights.weigh(features, class_id), [[expected]], rtol=1e-6)


@pytest.mark.parametrize(
    "place",
    [
        {"offset_bytes": 4100},
        {"offset_bytes": 10**30},
        {"channels": 4},
        {"channels": 10**30},
        {"dtype": "f32"},
    ],
)
def test_weights_beyond_the_file_are_refused(copied, place):
    """A bundle whose weights would reach over its file's end by a byte is not opened."""
    right = {"offset_bytes": 4099, "dtype": "f16", "channels": 3}
    _place(copied, bytes(4099 + 10 * 3 * 2), **right)
    open_class_maps(open_bundle(copied))
    _place(copied, bytes(4099 + 10 * 3 * 2), **(right | place))
    with pytest.raises(BundleRefused, match=r"model\.bin has 4159 bytes, .* up to byte"):
        open_class_maps(open_bundle(copied))


def test_an_empty_file_of_weights_is_refused(copied):
    """So is a file in which there is nothing."""
    _place(copied, b"", offset_bytes=0)
    with pytest.raises(BundleRefused, match=r"model\.bin has 0 bytes"):
        open_class_maps(open_bundle(copied))


def _misplace(bundle_folder, **changes) -> None:
    """Have the manifest say something else of where the last layer's weights lie."""
    change_manifest(bundle_folder, lambda one: one["heatmap"].update(changes))


def test_weights_of_another_width_are_refused(copied):
    """As many weights as channels, or the bundle is not loaded in an engine that has features."""
    _misplace(copied, channels=640)
    with pytest.raises(BundleRefused, match="weights for 640 channels"):
        load_classifier(open_bundle(copied), EngineOptions("torch", "f32"), LIMITS, frozenset())


@pytest.mark.parametrize("shift_bytes", [-4, -5120])
def test_weights_in_another_place_are_refused(copied, shift_bytes):
    """What lies a number or a class before them gives other maps, which the golden check sees."""
    offset_bytes = open_bundle(copied).manifest.heatmap.offset_bytes
    _misplace(copied, offset_bytes=offset_bytes + shift_bytes)
    with pytest.raises(EngineRefused, match="heatmaps"):
        load_classifier(open_bundle(copied), EngineOptions("torch", "f32"), LIMITS, frozenset())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"channels": 640}, "weights for 640 channels"),
        ({"offset_bytes": 0}, "its heatmaps are off by"),
        ({"output": "nothing"}, "has no output 'nothing'"),
    ],
)
def test_wrong_heatmaps_are_noticed_before_one_is_shown(copied, opened, changes, why):
    """In OpenVINO it is when the first is asked for: it is told why, and classes go on."""
    _misplace(copied, **changes)
    loaded = _load(copied)
    upload = sniff(pictures.png(), LIMITS)
    loaded.require_heatmap()
    with pytest.raises(EngineRefused, match=why):
        loaded.explain(loaded.prepare(upload), 5)
    for _ in range(2):
        with pytest.raises(HeatmapUnavailable, match="not those of its reference"):
            loaded.explain(loaded.prepare(upload), 5)
        assert loaded.classify(upload, 5).classes
    assert opened == ["", changes.get("output", "features")], "it is not tried again"
    loaded.close()


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """For each engine that is opened from now on the output of features that it was opened with."""
    outputs = []

    def open_noting(source, candidate, slots):
        outputs.append(source.features_output)
        return open_engine(source, candidate, slots)

    monkeypatch.setattr(loading, "open_engine", open_noting)
    return outputs


def _load(folder):
    options = EngineOptions("openvino", "f32")
    return load_classifier(open_bundle(folder), options, LIMITS, frozenset())


def test_features_are_computed_only_for_those_who_ask(tiny_folder, opened):
    """A model serves without that output; all the first who ask wait for one graph that has it."""
    loaded = _load(tiny_folder)
    prepared = loaded.prepare(sniff(pictures.png(), LIMITS))
    plain = loaded.infer(prepared.pixels, 3)
    assert opened == [""]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: loaded.explain(prepared, 3), range(16)))
    assert opened == ["", "features"]
    assert {one.heatmap for one in found} == {found[0].heatmap}
    assert all(one.classes == plain.classes for one in found)
    loaded.close()


def _place(folder, content: bytes, **place) -> None:
    """Put content in place of the graph's weights, and say where the last layer's lie in it."""
    replace_file(folder, "model.bin", content)
    change_manifest(folder, lambda one: one["heatmap"].update(place))
