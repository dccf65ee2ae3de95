"""A bundle in int8: made for real, measured, kept or refused."""

import csv
import errno
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import load_file

from tests import pictures
from tests.unit.bundle_copies import copy_bundle, replace_file
from topfive.bundles.store import demo_root, find_bundle, open_bundle
from topfive.classify.golden import open_reference
from topfive.classify.loading import engine_source, load_classifier
from topfive.cli import commands
from topfive.datasets.reading import read_dataset
from topfive.engines import (
    SIMULATED_INT8,
    EngineCandidate,
    EngineOptions,
    native_int8,
    open_engine,
)
from topfive.errors import (
    BundleMissing,
    DatasetRefused,
    Mistake,
    QuantizationRefused,
    SettingsError,
)
from topfive.images.limits import ImageLimits
from topfive.machine.probe import probe_machine
from topfive.training.quantization import quantization
from topfive.training.quantization.quantization import QuantizationPlan, quantize_bundle

# No test hangs on what this CPU computes in by itself.
NO_FLAGS = frozenset()
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def digits() -> Path:
    """The shipped bundle's folder."""
    folder = find_bundle(demo_root(), "digits")
    assert folder is not None
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine pictures of each digit, a folder for each."""
    from sklearn.datasets import load_digits

    root, found = tmp_path_factory.mktemp("photos"), load_digits()
    for digit, name in enumerate(NAMES):
        for number, image in enumerate(found.images[found.target == digit][:9]):
            (root / name).mkdir(exist_ok=True)
            Image.fromarray((image * 15).astype(np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def made(digits, photos, tmp_path_factory):
    """The digits with an int8 graph, as they are made on a CPU that does not compute in it."""
    plan = _plan(digits, photos, tmp_path_factory.mktemp("made"))
    return quantize_bundle(plan, NO_FLAGS)


def _plan(folder: Path, photos: Path, root: Path, **changes) -> QuantizationPlan:
    bundle = open_bundle(folder)
    dataset = read_dataset(photos, bundle.labels)
    return QuantizationPlan(bundle, "1.0.1", dataset, root, **changes)


def test_the_bundle_holds_both_graphs(made, digits):
    """All that it was is in it unchanged, and it says what it was made of, and how it does."""
    bundle, source = open_bundle(made.folder), open_bundle(digits)
    assert made.folder.parts[-2:] == ("digits", "1.0.1")
    assert bundle.manifest == made.manifest
    added = {"model.int8.xml", "model.int8.bin"}
    assert bundle.manifest.files.keys() == source.manifest.files.keys() | added
    differing = bundle.manifest.files.items() - source.manifest.files.items()
    assert dict(differing).keys() == added | {"golden.safetensors"}
    section = bundle.manifest.int8
    assert section.made_of == f"digits@{source.manifest.version}"
    assert (section.calibration_photos, section.held_out_photos) == (30, 60)
    assert section.made_with.keys() == {"nncf", "openvino"}


def test_what_was_measured_is_kept(made):
    """The accuracy of both, and how large they are; no time where int8 would not serve."""
    measured = made.manifest.int8.measured
    assert [one for one in measured if one != "bf16"] == ["f32", "int8"]
    assert measured["f32"]["top1"] > 0.95
    assert measured["int8"]["top1"] >= measured["f32"]["top1"] - 0.005
    assert measured["int8"]["same_answer_as_f32"] > 0.9
    assert measured["int8"]["graph_bytes"] < measured["f32"]["graph_bytes"]
    assert "inference_ms" in measured["f32"]
    assert "inference_ms" not in measured["int8"]


def test_weights_have_a_scale_for_each_channel(made):
    """They lie in the graph in eight bits, and every convolution has as many scales as outputs."""
    graph = (made.folder / "model.int8.xml").read_text()
    assert graph.count('element_type="i8"') > 10
    assert graph.count('type="FakeQuantize"') > 10
    from topfive.engines.quiet_openvino import openvino as ov

    shapes = [
        (tuple(one.shape), tuple(_scale(one).shape))
        for one in ov.Core().read_model(made.folder / "model.int8.xml").get_ops()
        if one.get_type_name() == "Constant" and one.get_element_type() == ov.Type.i8
    ]
    for weights, scales in shapes:
        assert np.prod(scales) == scales[0] * (scales[1] if len(scales) == 5 else 1)
        assert np.prod(scales) in {weights[0], np.prod(weights[:2])}


def _scale(constant):
    """Find the scale of a constant in eight bits: what its converted value is multiplied by."""
    (converted,) = (one.get_node() for one in constant.output(0).get_target_inputs())
    (following,) = (one.get_node() for one in converted.output(0).get_target_inputs())
    return following.input_value(1)


def test_the_int8_graph_is_held_against_itself(made):
    """What it gives in f32 is kept; the graph in f32 is held against what it was before."""
    bundle = open_bundle(made.folder)
    reference = open_reference(bundle, has_features=True)
    candidate = EngineCandidate("openvino", SIMULATED_INT8, "")
    engine = open_engine(engine_source(bundle), candidate, 1)
    answers = reference.ask(engine)
    engine.close()
    assert reference.find_disagreement(answers, "int8") == ""
    assert reference.find_disagreement(answers, "f32")
    tensors = load_file(made.folder / "golden.safetensors")
    assert tensors["int8"].shape == tensors["f32"].shape
    assert tensors["int8_maps"].shape == tensors["f32_maps"].shape
    load_classifier(bundle, EngineOptions("openvino", "f32"), ImageLimits(), NO_FLAGS).close()


@pytest.fixture
def made_again(made, monkeypatch):
    """Whatever is quantized becomes the graph that was made before, which takes no time."""

    def copy(_graph_file, target, _pictures, _prepare):
        for suffix in (".xml", ".bin"):
            shutil.copyfile(made.folder / f"model.int8{suffix}", target.with_suffix(suffix))

    monkeypatch.setattr(quantization, "quantize_graph", copy)


@pytest.mark.usefixtures("made_again")
def test_what_is_less_accurate_is_refused(digits, photos, tmp_path):
    """The drop is told with how many photos it was measured on, and nothing is left."""
    with pytest.raises(QuantizationRefused, match=r"of 60 photos, of which one is 1\.67 points"):
        quantize_bundle(_plan(digits, photos, tmp_path, most_drop=-101), NO_FLAGS)
    assert not list(tmp_path.glob("*/*"))


def test_what_int8_ruins_is_refused(tiny_folder, tmp_path):
    """Random weights do not bear eight bits: the model would be another one."""
    photos = tmp_path / "photos"
    for number in range(6):
        file = photos / f"class {number % 2}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pictures.png(80, 80, seed=number))
    with pytest.raises(QuantizationRefused, match=r"In int8 tiny 1 is another model.*correlation"):
        quantize_bundle(_plan(tiny_folder, photos, tmp_path / "models"), NO_FLAGS)
    assert not list((tmp_path / "models").glob("*/*"))


def test_a_full_disk_leaves_nothing(digits, photos, tmp_path, monkeypatch):
    """It is told in plain words, and no half bundle is there."""

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(quantization.shutil, "copyfile", fail)
    with pytest.raises(BundleMissing, match=r"cannot be written to .*: No space left on device"):
        quantize_bundle(_plan(digits, photos, tmp_path), NO_FLAGS)
    assert not list(tmp_path.glob("*/*"))


def test_another_process_that_was_faster_is_told(digits, photos, tmp_path, monkeypatch):
    """Its version stays, and is not taken for the one that was measured here."""
    plan = _plan(digits, photos, tmp_path, most_drop=100)
    target = tmp_path / "digits" / plan.version

    def make_it(*_):
        copy_bundle(digits, target, version=plan.version)

    monkeypatch.setattr(quantization, "_require_accuracy", make_it)
    with pytest.raises(SettingsError, match="Another process has made digits"):
        quantize_bundle(plan, NO_FLAGS)
    assert [one.name for one in target.parent.iterdir()] == [plan.version]


def test_a_photo_that_is_gone_meanwhile_is_named(digits, photos, tmp_path):
    """What calibration cannot read is told, and nothing is left."""
    copied = shutil.copytree(photos, tmp_path / "photos")
    plan = _plan(digits, copied, tmp_path / "models")
    shutil.rmtree(copied / "seven")
    with pytest.raises(DatasetRefused, match=r"seven/\d\.png cannot be read: there is no such"):
        quantize_bundle(plan, NO_FLAGS)
    assert not list((tmp_path / "models").glob("*/*"))


@pytest.mark.usefixtures("made_again")
def test_photos_that_were_learned_do_not_measure(digits, photos, tmp_path):
    """A bundle's own split says which photos it was trained with."""
    folder = copy_bundle(digits, tmp_path / "digits")
    dataset = read_dataset(photos, open_bundle(folder).labels)
    split = io.StringIO()
    rows = csv.writer(split)
    rows.writerow(("sha256", "class_id", "part", "class_name"))
    for place, one in enumerate(dataset.photos):
        part = "held_out" if place % 9 == 0 else "train"
        rows.writerow((one.sha256, one.class_id, part, NAMES[one.class_id]))
    replace_file(folder, "split.csv", split.getvalue().encode())
    plan = _plan(folder, photos, tmp_path / "models", most_calibration_photos=20)
    section = quantize_bundle(plan, NO_FLAGS).manifest.int8
    assert (section.calibration_photos, section.held_out_photos) == (20, 10)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs `topfive quantize` in a directory of its own, on a CPU that knows no int8."""
    monkeypatch.chdir(tmp_path)
    machine = type("Machine", (), {"cpu_flags": NO_FLAGS})
    monkeypatch.setattr(sys.modules["topfive.cli.quantize"], "probe_machine", machine)
    return lambda *arguments: CliRunner().invoke(commands, ("quantize", *arguments))


@pytest.mark.usefixtures("made_again")
def test_the_command_tells_what_it_made(run, photos, tmp_path):
    """The folder on standard output; what was measured, and how to serve it, on standard error."""
    found = run("digits", "--calibrate", str(photos))
    assert found.exit_code == 0, found.output
    folder = Path(found.stdout.strip())
    bundle = open_bundle(tmp_path / folder)
    assert folder.parts[:2] == ("models", "digits")
    for word in ("int8", "top-1", "95% interval", "on 30 photos", "60 other photos"):
        assert word in found.stderr
    assert f"TOPFIVE_MODEL=digits@{bundle.manifest.version} topfive serve" in found.stderr
    assert "does not compute in int8 by itself" in found.stderr
    again = run(str(folder), "--calibrate", str(photos))
    assert isinstance(again.exception, Mistake)
    assert "has an int8 graph already" in str(again.exception)


def test_the_command_tells_it_in_json(run, photos):
    """One object, and nothing else on standard output."""
    found = run("digits", "--calibrate", str(photos), "--version", "3.0.0", "--json")
    document = json.loads(found.stdout)
    assert (document["name"], document["version"]) == ("digits", "3.0.0")
    assert document["int8"]["measured"]["int8"]["top1"] > 0.9
    assert document["comparison_with_f32"]["photos"] == 60
    again = run("digits", "--calibrate", str(photos), "--version", "3.0.0")
    assert "There is a version 3.0.0 of digits in models already" in str(again.exception)


def test_nobody_is_told_of_it(made):
    """NNCF brings OpenVINO's telemetry with it, which stays out."""
    assert made.folder.is_dir()
    assert sys.modules["openvino_telemetry"] is None


@pytest.mark.weights
def test_trained_weights_keep_their_answers(real_bundle, real_photos, tmp_path):
    """MobileNetV2 answers as before for most photos, and its int8 is right where it is native."""
    dataset = read_dataset(real_photos / "labels.csv", real_bundle.labels)
    plan = QuantizationPlan(real_bundle, "int8", dataset, tmp_path, most_drop=5)
    made = quantize_bundle(plan, NO_FLAGS)
    assert made.manifest.int8.measured["int8"]["same_answer_as_f32"] > 0.85
    flags = probe_machine().cpu_flags
    if native_int8(flags):
        bundle = open_bundle(made.folder)
        load_classifier(bundle, EngineOptions("openvino", "int8"), ImageLimits(), flags).close()
