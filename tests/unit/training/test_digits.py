"""The training of the embedded digits: shortened, and what comes of it in full."""

import shutil

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import load_file

from topfive.bundles.store import demo_root, open_bundle
from topfive.classify.classifier import load_classifier
from topfive.engines import EngineOptions
from topfive.errors import WeightsRefused
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.training import demo, digits

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit:DeprecationWarning")

LIMITS = ImageLimits()
SHIPPED = demo_root() / "digits" / "1"


def _train():
    """Learn from 64 digits in place of 1437, for one epoch in place of sixty."""
    whole = digits._load_split
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "_load_split", lambda seed: [_first(one, 64) for one in whole(seed)])
        return digits.train(seed=0, epochs=1)


def _first(some, count: int):
    return digits._Digits(some.ink[:count], some.classes[:count])


@pytest.fixture(scope="module")
def trained():
    """What a very short training makes."""
    return _train()


def _load(folder):
    return load_classifier(
        open_bundle(folder), EngineOptions("openvino", "f32"), LIMITS, frozenset()
    )


def test_the_same_seed_gives_the_same_weights(trained):
    """Training draws its pictures at random, and all of it hangs on the seed."""
    again = _train()
    assert trained.held_out_count == 64
    assert again.accuracy == trained.accuracy
    for name, tensor in trained.state_dict.items():
        assert torch.equal(tensor, again.state_dict[name])


def test_weights_are_exact_in_half_precision(trained):
    """What is measured is what is stored: rounding to float16 changes no weight."""
    for tensor in trained.state_dict.values():
        assert torch.equal(tensor, tensor.half().to(tensor.dtype)) or not tensor.is_floating_point()


def test_too_little_training_is_refused(trained, tmp_path):
    """Digits that are read too badly become no bundle."""
    with pytest.raises(WeightsRefused, match=r"under 0\.97\. Train longer"):
        demo.write_digits_bundle(trained, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_trained_becomes_a_bundle_that_serves(trained, tmp_path, monkeypatch):
    """The command writes a bundle with its samples, and the engine agrees with the reference."""
    good = digits.TrainedDigits(
        trained.state_dict, 0.99, 360, {"three.png": Image.new("RGB", (200, 200), "white")}
    )
    monkeypatch.setattr(digits, "train", lambda *_: good)
    done = CliRunner().invoke(demo.main, ["--root", str(tmp_path)])
    assert done.output.strip() == str(tmp_path / "digits" / "1")
    classifier = _load(tmp_path / "digits" / "1")
    assert classifier.bundle.manifest.metrics["held_out_accuracy"] == 0.99
    assert (tmp_path / "digits" / "1" / "sample-three.png").is_file()
    classifier.close()


def test_the_bundle_is_renewed_without_training(tmp_path):
    """`--renew` makes it again of its own weights: what it is made of is the same, to the byte."""
    folder = tmp_path / "digits" / "1"
    shutil.copytree(SHIPPED, folder)
    done = CliRunner().invoke(demo.main, ["--renew", "--root", str(tmp_path)])
    assert done.exit_code == 0
    renewed, shipped = (load_file(one / "golden.safetensors") for one in (folder, SHIPPED))
    assert renewed["f32"] == pytest.approx(shipped["f32"], abs=1e-3)
    assert renewed["f32_maps"] == pytest.approx(shipped["f32_maps"], abs=1e-3)
    computed = {"golden.safetensors", "model.xml", "model.bin"}
    ours, theirs = (open_bundle(one).manifest.model_dump() for one in (folder, SHIPPED))
    for name in computed:
        assert ours["files"].pop(name)
        assert theirs["files"].pop(name)
    assert ours.pop("golden")["inputs"] == theirs.pop("golden")["inputs"]
    assert ours == theirs
    _load(folder).close()


def test_shipped_samples_are_read_as_they_are_called():
    """Each sample picture of the embedded model gets its own name as the best class."""
    classifier = _load(SHIPPED)
    samples = sorted(SHIPPED.glob("sample-*.png"))
    best = [
        classifier.classify(sniff(one.read_bytes(), LIMITS), 1).classes[0].class_name
        for one in samples
    ]
    classifier.close()
    assert [f"sample-{name}" for name in best] == [one.stem for one in samples]
    assert len(samples) == 4


def test_shipped_digits_read_held_out_ones_as_well_as_their_manifest_says():
    """The accuracy that the embedded bundle claims is measured again on the held-out digits."""
    from topfive.classify.classifier import engine_source
    from topfive.engines.torch_engine import open_torch_engine

    bundle = open_bundle(SHIPPED)
    engine = open_torch_engine(engine_source(bundle), "f32")
    _, held_out = digits._load_split(seed=0)
    accuracy = sum(digits._accuracies(engine._module, held_out)) / 2
    engine.close()
    assert accuracy == pytest.approx(bundle.manifest.metrics["held_out_accuracy"], abs=0.005)
