"""Training: from labelled photos to a bundle that serves, and what stops one."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.coloured_photos import (
    COLOURS,
    MORE_COLOURS,
    draw_photo,
    scratch_recipe,
    write_photos,
)
from topfive.bundles.store import list_manifests, open_bundle
from topfive.classify.loading import load_classifier
from topfive.datasets.reading import read_dataset
from topfive.datasets.split import Split, parse_split
from topfive.engines import EngineOptions
from topfive.engines.torchvision_models import build_module
from topfive.errors import DatasetRefused, EngineRefused, TrainingStopped, WeightsRefused
from topfive.images.limits import ImageLimits
from topfive.training import graph_files
from topfive.training.export import Findings
from topfive.training.finetuning import compute as compute_module
from topfive.training.finetuning import kept_state
from topfive.training.finetuning import training as training_module
from topfive.training.finetuning.bases import base_of_bundle, open_base
from topfive.training.finetuning.naming import choose_version
from topfive.training.finetuning.plan import TrainingPlan, split_photos
from topfive.training.finetuning.recipe import Augmentation, TrainingRecipe, parse_recipe
from topfive.training.finetuning.training import train
from topfive.training.finetuning.writing import Trained

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit:DeprecationWarning")


class Told:
    """Keeps what it is told; raises in place of a person's Ctrl-C where it is told `stop_at`."""

    def __init__(self, stop_at: str = "-") -> None:
        self.begun: list[str] = []
        self.sentences: list[str] = []
        self._stop_at = stop_at

    def begin(self, what: str, steps: int) -> None:
        """Note what is begun."""
        assert steps > 0
        self.begun.append(what)

    def advance(self, steps: int = 1) -> None:
        """Note nothing."""

    def tell(self, sentence: str) -> None:
        """Note what is told."""
        self.sentences.append(sentence)
        if sentence.startswith(self._stop_at):
            raise KeyboardInterrupt


def _plan(photos: Path, models_dir: Path, recipe: TrainingRecipe, **changes) -> TrainingPlan:
    base = changes.pop("base", None) or open_base("mobilenet_v2", models_dir, recipe)
    dataset = read_dataset(photos)
    values = {
        "dataset": dataset,
        "split": split_photos(dataset, recipe, base),
        "base": base,
        "name": "colours",
        "version": choose_version(models_dir, "colours"),
        "models_dir": models_dir,
        "recipe": recipe,
    }
    return TrainingPlan(**(values | changes))


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Twenty photos of each of three colours."""
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory) -> tuple[Path, TrainingPlan, Told]:
    """A bundle that was trained from nothing, in half precision, with a sample picture."""
    recipe = scratch_recipe(
        half=True, average_decay=0.5, dropout=0.0, schedule="cosine",
        augmentation={"crop_scale": (0.8, 1), "ramp_share": 0.5, "rotation_degrees": 10},
    )  # fmt: skip
    samples = {"red-disc": draw_photo(COLOURS["red"], 5)}
    plan = _plan(photos, tmp_path_factory.mktemp("models"), recipe, samples=samples)
    told = Told()
    return train(plan, told), plan, told


def test_a_training_makes_a_bundle_that_knows_the_classes(trained):
    """Most held-out photos are recognised, and both engines agree with the reference."""
    folder, plan, _ = trained
    bundle = open_bundle(folder)
    assert bundle.labels == tuple(sorted(COLOURS))
    assert (bundle.manifest.name, bundle.manifest.version) == ("colours", "1.0.0")
    assert bundle.manifest.metrics["held_out_count"] == len(plan.split.held_out)
    assert bundle.manifest.metrics["held_out_top1"] > 0.8
    for engine in ("openvino", "torch"):
        options = EngineOptions(engine, "f32")
        load_classifier(bundle, options, ImageLimits(), frozenset()).close()


def test_the_bundle_says_how_it_was_made(trained):
    """Base, recipe, photos of each part and libraries are in the manifest, and no path is."""
    folder, plan, _ = trained
    manifest = open_bundle(folder).manifest
    assert manifest.training.base == "mobilenet_v2, untrained"
    assert TrainingRecipe.model_validate(manifest.training.recipe) == plan.recipe
    assert manifest.training.data_sha256 == plan.dataset.sha256
    assert manifest.training.photos == plan.split.counts
    assert manifest.training.parent == ""
    assert set(manifest.training.made_with) == {"topfive", "torch", "torchvision"}
    assert manifest.architecture_options == {"width_mult": 0.25}
    assert str(plan.models_dir) not in (folder / "bundle.json").read_text("utf-8")


def test_the_split_is_kept_by_digests_alone(trained):
    """Every photo is in the bundle's list with its part, and no file name is."""
    folder, plan, _ = trained
    text = (folder / "split.csv").read_text("utf-8")
    parts = parse_split(text)
    assert {one.sha256 for one in plan.split.held_out} == {
        sha256 for sha256, part in parts.items() if part == "held_out"
    }
    assert len(parts) == len(plan.dataset.photos)
    assert ".png" not in text


def test_the_evaluation_is_in_the_bundle(trained):
    """Each class's numbers and the confusion matrix are kept, over all held-out photos."""
    folder, plan, _ = trained
    document = json.loads((folder / "evaluation.json").read_text("utf-8"))
    assert [one["class_name"] for one in document["classes"]] == sorted(COLOURS)
    assert sum(one["count"] for one in document["confusions"]) == len(plan.split.held_out)
    assert "evaluation.json" in open_bundle(folder).manifest.files


def test_confidences_are_calibrated_in_the_weights(trained):
    """The manifest says by what, and how far confidence and accuracy were apart before."""
    calibration = open_bundle(trained[0]).manifest.calibration
    assert calibration.temperature > 0
    assert calibration.photos == len(trained[1].split.held_out)
    assert 0 <= calibration.error_after <= 1
    assert 0 <= calibration.error_before <= 1


def test_samples_are_kept_and_the_first_is_the_golden_picture(trained):
    """The page can offer it, and engines are checked with it."""
    folder = trained[0]
    assert "sample-red-disc.png" in open_bundle(folder).manifest.files
    assert load_file(folder / "weights.safetensors")["classifier.1.weight"].dtype == torch.float16
    assert open_bundle(folder).manifest.golden.top_five[0].class_id == 2


def test_nothing_is_left_but_the_bundle(trained):
    """What was kept to go on with is gone, and each phase has told how long it takes."""
    folder, _, told = trained
    names = {one.name for one in folder.parent.iterdir()}
    assert names <= {"1.0.0", ".training.lock"}
    assert told.begun == ["Training all layers", "Calibrating", "Measuring on held-out photos"]


@pytest.fixture(scope="module")
def moved(trained, tmp_path_factory) -> tuple[Path, TrainingPlan, Told]:
    """Trained on from that bundle, for other colours of which one is the same."""
    root = tmp_path_factory.mktemp("more")
    recipe = TrainingRecipe(
        epochs=2, head_epochs=20, batch_size=8, threads=1,
        augmentation=Augmentation(crop_scale=(0.8, 1)),
    )  # fmt: skip
    base = open_base("colours@1.0.0", trained[1].models_dir, recipe)
    photos = write_photos(root / "photos", MORE_COLOURS, seed=7)
    told = Told()
    plan = _plan(photos, root / "models", recipe, base=base)
    return train(plan, told), plan, told


def test_a_bundle_is_a_base_for_other_classes(moved):
    """The last layer learns first, then all layers; the parent is named."""
    folder, _, told = moved
    manifest = open_bundle(folder).manifest
    assert told.begun[:3] == [
        "Looking at each photo", "Training the last layer", "Training all layers",
    ]  # fmt: skip
    assert manifest.training.parent == "colours@1.0.0"
    assert manifest.input == open_bundle(folder).manifest.input
    assert manifest.metrics["held_out_top1"] > 0.7


def test_the_last_layer_of_a_class_that_is_known_begins_as_it_was(trained, moved):
    """Its row is the bundle's own, with the calibration taken back; the others are random."""
    from topfive.training.finetuning.networks import build_network

    bundle = open_bundle(trained[0])
    base = base_of_bundle(bundle)
    labels = moved[1].dataset.classes
    row, former = labels.index("blue 🦋"), bundle.labels.index("blue 🦋")
    network = build_network(base, labels, moved[1].recipe)
    begun = network.get_parameter("classifier.1.weight")[row]
    stored = load_file(trained[0] / "weights.safetensors")["classifier.1.weight"][former]
    expected = stored.float() * bundle.manifest.calibration.temperature
    torch.testing.assert_close(begun, expected)


@pytest.fixture
def learned(monkeypatch) -> list[Trained]:
    """What trainings came to that write no bundle, which takes most of their time here."""
    found: list[Trained] = []

    def keep(plan, trained, reporter):
        found.append(trained)
        return plan.models_dir

    monkeypatch.setattr(training_module, "write_trained", keep)
    return found


def test_the_same_seed_gives_the_same_weights_also_where_it_was_stopped(photos, tmp_path, learned):
    """A training that is stopped leaves no bundle, and goes on to the very same one."""
    recipe = scratch_recipe(epochs=3)
    train(_plan(photos, tmp_path / "whole", recipe))
    plan = _plan(photos, tmp_path / "stopped", recipe)
    with pytest.raises(KeyboardInterrupt):
        train(plan, Told(stop_at="Epoch 2"))
    assert list_manifests(plan.models_dir) == []
    told = Told()
    train(plan, told)
    assert told.sentences[0] == "Going on after epoch 1, where it was stopped."
    whole, stopped = (one.state_dict for one in learned)
    assert all(torch.equal(tensor, stopped[name]) for name, tensor in whole.items())


def test_how_a_photo_is_varied_does_not_depend_on_who_loads_it(photos, tmp_path):
    """Processes beside give the same pixels as none."""
    from topfive.training.finetuning.augmentation import Augmenter
    from topfive.training.finetuning.photos import Loader, Photos, Showing

    recipe = scratch_recipe()
    some = read_dataset(photos).photos[:6]
    shown = [Showing(place, epoch=3, strength=1.0) for place in (4, 0, 5, 1)]
    augmenter = Augmenter(Augmentation(noise=0.1), recipe.input.change(_any_input()))
    alone, beside = (
        np.concatenate([
            batch.pixels
            for batch in Loader(Photos(some, augmenter.input, augmenter), 2, workers).show(shown)
        ])
        for workers in (0, 1)
    )  # fmt: skip
    assert np.array_equal(alone, beside)
    assert not np.array_equal(alone[0], alone[1])


def _any_input():
    from topfive.bundles.official import official_weights

    return official_weights("mobilenet_v2").input


def test_where_memory_ends_half_as_many_photos_go_at_once(photos, tmp_path, monkeypatch, learned):
    """The training goes on by itself and says so; a step still has as many photos as before."""
    normalise = compute_module.Compute.normalise

    def of_little_memory(self, pixels):
        if len(pixels) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return normalise(self, pixels)

    monkeypatch.setattr(compute_module.Compute, "normalise", of_little_memory)
    told = Told()
    train(_plan(photos, tmp_path, scratch_recipe(epochs=1)), told)
    notes = [one for one in told.sentences if one.startswith("Note: ")]
    expected = (
        "Note: there is no memory on the device cpu for 8 photos at once; going on with 4, and as "
        "many to a step as before."
    )
    assert notes == [expected]
    assert len(learned) == 1


def test_no_memory_for_a_single_photo_stops_it(photos, tmp_path, monkeypatch):
    """The error says what to do, and no bundle is there."""

    def of_no_memory(_, __):
        raise MemoryError

    monkeypatch.setattr(compute_module.Compute, "normalise", of_no_memory)
    with pytest.raises(TrainingStopped, match=r"not enough memory on the device cpu .* smaller"):
        train(_plan(photos, tmp_path, scratch_recipe()))
    assert list_manifests(tmp_path) == []


def test_a_loss_that_is_no_number_stops_it(photos, tmp_path):
    """The error says what to set lower."""
    recipe = scratch_recipe(learning_rate=1e20, schedule="constant")
    with pytest.raises(TrainingStopped, match=r"no number any more\. Set a learning_rate below"):
        train(_plan(photos, tmp_path, recipe))


def test_a_full_disk_stops_it_and_it_can_go_on(photos, tmp_path, monkeypatch, learned):
    """Nothing half done is taken for a bundle, and with room it goes on from the last epoch."""
    plan = _plan(photos, tmp_path, scratch_recipe(epochs=2))
    write = kept_state.KeptState.write

    def write_once(self, name, content):
        if (self.folder / f"{name}.pt").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(kept_state.KeptState, "write", write_once)
        with pytest.raises(TrainingStopped, match=r"the disk is full.*goes on from there"):
            train(plan)
    assert list_manifests(tmp_path) == []
    told = Told()
    train(plan, told)
    assert told.sentences[0].startswith("Going on after epoch 1")


def test_a_disk_that_is_full_when_the_bundle_is_written(photos, tmp_path, monkeypatch):
    """OpenVINO's error is told as what it is, and what was learned is kept."""

    def fail(*_, **__):
        raise RuntimeError("basic_ios::clear: iostream error")

    monkeypatch.setattr(graph_files.ov, "save_model", fail)
    monkeypatch.setattr(graph_files, "_NEARLY_FULL_BYTES", 1 << 60)
    plan = _plan(photos, tmp_path, scratch_recipe(epochs=1))
    with pytest.raises(TrainingStopped, match="the disk is full"):
        train(plan)
    assert list_manifests(tmp_path) == []
    left = sorted(one.name for one in (tmp_path / "colours").iterdir())
    assert left == [f".training-{plan.digest[:12]}", ".training.lock"]


def test_two_trainings_of_one_name_do_not_mix(photos, tmp_path):
    """The second is told to wait."""
    plan = _plan(photos, tmp_path, scratch_recipe())
    with (
        kept_state.keep_state(tmp_path, "colours", "0" * 64),
        pytest.raises(TrainingStopped, match="Another process trains colours"),
    ):
        train(plan)


def test_what_is_kept_is_forgotten_on_demand(photos, tmp_path, learned):
    """A training that restarts begins with its first epoch."""
    plan = _plan(photos, tmp_path, scratch_recipe(epochs=2))
    with pytest.raises(KeyboardInterrupt):
        train(plan, Told(stop_at="Epoch 2"))
    told = Told()
    train(replace(plan, restarts=True), told)
    assert told.sentences[0].startswith("Epoch 1 of 2")


def test_damaged_state_is_made_anew(photos, tmp_path, learned):
    """A file that is cut off is no reason to fail."""
    plan = _plan(photos, tmp_path, scratch_recipe(epochs=1))
    folder = tmp_path / "colours" / f".training-{plan.digest[:12]}"
    folder.mkdir(parents=True)
    (folder / "fine_tuning.pt").write_bytes(b"PK\x03\x04 cut off")
    told = Told()
    train(plan, told)
    assert told.sentences[0].startswith("Epoch 1 of 1")


def test_a_state_of_something_else_is_told(photos, tmp_path, learned):
    """A file that is whole and says something else is named, with how to begin anew."""
    plan = _plan(photos, tmp_path, scratch_recipe(epochs=1))
    with kept_state.keep_state(tmp_path, "colours", plan.digest) as kept:
        kept.write("fine_tuning", {"tuning": {"epoch": 1}})
    with pytest.raises(TrainingStopped, match=r"\.training-.* is not of this training.*--restart"):
        train(plan)
    assert train(replace(plan, restarts=True)).is_dir()


def test_a_part_without_photos_is_told(photos, tmp_path):
    """There is nothing to measure on then."""
    plan = _plan(photos, tmp_path, scratch_recipe())
    lacking = Split(plan.split.train, plan.split.validation, ())
    with pytest.raises(DatasetRefused, match="No photo is for held_out"):
        train(replace(plan, split=lacking))


def test_a_photo_that_is_gone_is_named(photos, tmp_path):
    """It was there when the photos were read, and is not when it is shown."""
    mine = write_photos(tmp_path / "photos", each=8)
    plan = _plan(mine, tmp_path / "models", scratch_recipe())
    plan.split.train[3].path.unlink()
    with pytest.raises(DatasetRefused, match=plan.split.train[3].path.name):
        train(replace(plan, workers=1))


def test_a_photo_that_is_another_one_now_is_named(photos, tmp_path):
    """The bundle says by digests what it has learned from, and that must be true."""
    mine = write_photos(tmp_path / "photos", each=8)
    plan = _plan(mine, tmp_path / "models", scratch_recipe())
    first, second = plan.split.train[:2]
    first.path.write_bytes(second.path.read_bytes())
    with pytest.raises(DatasetRefused, match=rf"{first.path.name} is another picture than when"):
        train(plan)


def test_a_device_that_is_not_there_is_told(photos, tmp_path):
    """Nothing falls back silently from what was asked for."""
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(EngineRefused, match="no CUDA device"):
        train(_plan(photos, tmp_path, scratch_recipe(), device="cuda"))


def test_further_documents_go_into_the_bundle(photos, tmp_path):
    """They are asked for when the bundle answers, and have their hash in the manifest."""

    def compare(classifier, answers):
        return Findings(documents={"comparison.json": json.dumps({"photos": len(answers.photos)})})

    plan = _plan(photos, tmp_path, scratch_recipe(epochs=1), examine=compare)
    folder = train(plan)
    assert "comparison.json" in open_bundle(folder).manifest.files
    document = json.loads((folder / "comparison.json").read_text("utf-8"))
    assert document == {"photos": len(plan.split.held_out)}


def test_weights_of_ones_own_are_a_base(tmp_path):
    """They are recognised by their shapes, with however many classes, and named by content."""
    file = tmp_path / "own.safetensors"
    with torch.random.fork_rng():
        save_file(build_module("mobilenet_v2", {}, 7).state_dict(), file)
    base = open_base("mobilenet_v2", tmp_path, TrainingRecipe(), str(file))
    assert base.title.startswith("mobilenet_v2, local:sha256-")
    assert base.input.crop == 224
    assert base.state_dict["classifier.1.weight"].shape[0] == 7


@pytest.mark.parametrize("architecture", ["shufflenet_v2_x0_5", "mobilenet_v3_small"])
def test_other_architectures_are_trained_alike(photos, tmp_path, learned, architecture):
    """Whatever the last layer is called there, it learns first, and then all layers do."""
    file = tmp_path / "own.safetensors"
    with torch.random.fork_rng():
        save_file(build_module(architecture, {}, 5).state_dict(), file)
    recipe = parse_recipe(
        {"input": {"resize": 32, "crop": 32}, "epochs": 1, "head_epochs": 2, "threads": 1}, "test"
    )
    base = open_base(architecture, tmp_path, recipe, str(file))
    told = Told()
    train(_plan(photos, tmp_path, recipe, base=base), told)
    assert told.begun[:3] == [
        "Looking at each photo", "Training the last layer", "Training all layers",
    ]  # fmt: skip
    assert learned[0].calibration is not None


def test_a_network_whose_last_layer_is_not_linear_is_told(photos, tmp_path):
    """SqueezeNet's is a convolution, which temperature and features do not fit."""
    recipe = parse_recipe({"pretrained": False}, "test")
    base = open_base("squeezenet1_1", tmp_path, recipe)
    with pytest.raises(EngineRefused, match="no linear layer"):
        train(_plan(photos, tmp_path, recipe, base=base))
    assert list_manifests(tmp_path) == []


def test_an_imported_model_is_no_base(trained, tmp_path):
    """It has a graph and no weights; the error says what can be trained."""
    bundle = open_bundle(trained[0])
    imported = replace(bundle, manifest=bundle.manifest.model_copy(update={"architecture": "onnx"}))
    with pytest.raises(WeightsRefused, match=r"imported model \(onnx\).*Name one of"):
        base_of_bundle(imported)
