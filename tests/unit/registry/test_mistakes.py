"""What can be seen to be wrong before anything is loaded."""

from dataclasses import replace

import pytest

from tests.unit.bundle_copies import add_int8_graph, copy_bundle
from topfive.bundles.recipe import RecipeOptions
from topfive.engines import EngineOptions
from topfive.registry.desired import ModelOptions, named_model
from topfive.registry.mistakes import find_mistakes

ENGINE = EngineOptions("openvino", "f32")


def _find(options, fallback="", engine=ENGINE):
    return find_mistakes(options, fallback, engine, frozenset())


@pytest.fixture
def plain(tmp_path):
    """Nothing is given but the default model."""
    return ModelOptions("mobilenet_v2", "", None, tmp_path / "models")


def test_what_is_right_is_not_complained_about(plain, tiny_folder, tmp_path):
    """A missing official bundle is no mistake: it is made."""
    weights = tmp_path / "a.pth"
    weights.write_bytes(b"weights")
    assert _find(plain, "digits") == []
    assert _find(replace(plain, model=str(tiny_folder))) == []
    assert _find(replace(plain, model="digits")) == []
    assert _find(replace(plain, weights=str(weights))) == []
    assert _find(replace(plain, weights="https://example.org/a.pth")) == []


def test_everything_wrong_is_told_at_once(plain, tmp_path):
    """Weights, labels, recipe, name, precision and fallback each have a line."""
    wrong = replace(
        plain,
        weights=str(tmp_path / "gone.pth"),
        labels_file=tmp_path / "gone.txt",
        name="digits",
        recipe=RecipeOptions(crop=999),
    )
    found = _find(wrong, "digit", EngineOptions("openvino", "int8"))
    for word in ("int8", "gone.pth", "gone.txt", "999", "MODEL_NAME=digits", "'digit'"):
        assert sum(word in line for line in found) == 1, word
    assert len(found) == 6
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"weights": "a.pth"}, "TOPFIVE_WEIGHTS"),
        ({"name": "birds"}, "TOPFIVE_MODEL_NAME"),
        ({"recipe": RecipeOptions(std=(0.5, 0.5, 0.5))}, "TOPFIVE_INPUT_STD"),
    ],
)
def test_what_a_finished_bundle_cannot_take_is_told(plain, changes, setting):
    """Weights and the like beside a bundle that is finished are not silently ignored."""
    (line,) = _find(replace(plain, model="digits", **changes))
    assert line.startswith(f"{setting} does not go with TOPFIVE_MODEL=digits")


def test_a_damaged_bundle_is_told(plain, tiny_folder, tmp_path):
    """A file that differs is found before any worker is started, for the fallback too."""
    damaged = copy_bundle(tiny_folder, tmp_path / "damaged")
    (damaged / "labels.txt").write_text("changed\n", "utf-8")
    (line,) = _find(replace(plain, model=str(damaged)))
    assert "sha256 differs" in line
    (line,) = _find(plain, str(damaged))
    assert line.startswith("TOPFIVE_FALLBACK_MODEL=")


def test_int8_without_such_a_graph_is_told(plain, tiny_folder, tmp_path):
    """Each model that lacks one is told, and one that has one is not."""
    options = EngineOptions("openvino", "int8")
    quantized = copy_bundle(tiny_folder, tmp_path / "quantized")
    add_int8_graph(quantized)
    (line,) = _find(replace(plain, model=str(tiny_folder)), engine=options)
    assert line.startswith("TOPFIVE_PRECISION=int8 cannot be served: the bundle has no int8 graph.")
    (line,) = _find(plain, engine=options)
    assert "topfive quantize" in line
    meant = replace(plain, model=str(quantized))
    assert _find(meant, engine=options) == []
    others = [named_model(str(one), plain.models_dir) for one in (quantized, tiny_folder)]
    (line,) = find_mistakes(meant, "digits", options, frozenset(), others)
    assert line.startswith("TOPFIVE_MODELS: TOPFIVE_PRECISION=int8 cannot be served")


def test_what_a_store_may_have_in_int8_is_waited_for(plain):
    """Whether the bundle has an int8 graph is seen when it is there."""
    stored = replace(plain, store="https://example.org/models")
    assert _find(stored, engine=EngineOptions("openvino", "int8")) == []


def test_further_models_are_looked_at_too(plain, tiny_folder, tmp_path):
    """What is wrong with each is told, by the setting that names it."""
    others = [named_model(one, plain.models_dir) for one in ("resnet50", "flower", "digits@9")]
    lines = find_mistakes(plain, "", ENGINE, frozenset(), others)
    assert [line.partition(".")[0] for line in lines] == [
        "TOPFIVE_MODELS: There is no model 'flower'",
        f"TOPFIVE_MODELS: There is no version '9' of digits in {plain.models_dir}",
    ]


def test_torch_is_not_asked_to_run_what_was_imported(plain, tiny_folder, tmp_path):
    """An imported graph is OpenVINO's alone, which is told before any worker is started."""
    imported = {
        "reference": "onnxruntime 1", "channels": "rgb", "layout": "nchw", "output": "logits",
    }  # fmt: skip
    copy_bundle(tiny_folder, tmp_path / "models" / "birds" / "1", name="birds", imported=imported)
    birds = replace(plain, model="birds")
    assert _find(birds) == []
    (told,) = _find(birds, engine=EngineOptions("torch", "f32"))
    assert "TOPFIVE_ENGINE=torch cannot run birds, which was imported as a graph" in told
    found = find_mistakes(
        replace(plain, model="digits"), "", EngineOptions("torch", "f32"), frozenset(), [birds]
    )
    assert found == [told]
