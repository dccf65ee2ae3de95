"""`topfive retrain` and `topfive promote`, as a person types them, against the real service."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.functional.start import run_topfive
from tests.live_server import LiveServer, run_server
from tests.pictures import png
from tests.training.coloured_photos import (
    COLOURS,
    draw_photo,
    scratch_recipe,
    write_photos,
    write_recipe,
)
from tests.unit.bundle_copies import change_manifest, copy_bundle, replace_file
from topfive.bundles.store import find_bundle, open_bundle, read_manifest
from topfive.bundles.versions import bundle_digest
from topfive.cli import commands
from topfive.datasets.reading import read_dataset
from topfive.errors import DatasetRefused, OperatorError, PromotionRefused, SettingsError
from topfive.evaluation.photos import read_split
from topfive.training.finetuning.bases import open_base
from topfive.training.finetuning.plan import TrainingPlan, split_photos
from topfive.training.finetuning.training import train

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit:DeprecationWarning")

Typed = Callable[..., "subprocess.CompletedProcess[str]"]

# As good as untrained, and with as much to be measured on as shows what is better.
_WEAK = {"epochs": 1, "learning_rate": 1e-7, "schedule": "constant", "held_out_share": 0.4}
_GOOD = {
    "pretrained": True, "architecture_options": {}, "head_epochs": 0, "freeze_norms": False,
    "epochs": 20, "held_out_share": 0.4,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder in which a person stands: a weak model, the photos that it had, and new ones."""
    root = tmp_path_factory.mktemp("place")
    write_photos(root / "photos", each=30)
    write_photos(root / "new", {"grey": (120, 120, 120), "red": COLOURS["red"]}, seed=3)
    recipe = scratch_recipe(**_WEAK)
    base = open_base("mobilenet_v2", root / "models", recipe)
    dataset = read_dataset(root / "photos")
    samples = {"red-disc": draw_photo(COLOURS["red"], 5)}
    train(
        TrainingPlan(
            dataset, split_photos(dataset, recipe, base), base, "colours", "1.0.0",
            root / "models", recipe, samples=samples,
        )
    )  # fmt: skip
    write_recipe(root / "good.toml", scratch_recipe(**_GOOD))
    return root


@pytest.fixture(scope="module")
def server(place) -> Iterator[LiveServer]:
    """Two workers that serve what the name means: at first there is 1.0.0 alone."""
    with run_server(place, model="colours", workers="2") as running:
        yield running


@pytest.fixture(scope="module")
def typed(place, server) -> Typed:
    """Runs a line as it is typed there, for that service."""
    return lambda line: run_topfive(place, *line.split()[1:], port=str(server.port))


@pytest.fixture(scope="module")
def retrained(typed) -> "subprocess.CompletedProcess[str]":
    """1.0.0 trained on with all photos by a recipe that suits it, while it serves."""
    return typed("topfive retrain --from colours@1.0.0 photos new --recipe good.toml")


@pytest.fixture
def here(place, monkeypatch, server) -> Callable[[str], Result]:
    """Runs a line in this process, which has imported torch already; raises what it raises."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("TOPFIVE_PORT", str(server.port))
    return lambda line: CliRunner().invoke(commands, line.split()[1:], catch_exceptions=False)


def _serving(server: LiveServer) -> set[str]:
    """Ask several times, on connections that any worker may take."""
    answers = [server.upload(png()).json for _ in range(6)]
    return {one["model"]["version"] for one in answers}


def test_a_dry_run_says_what_would_be_trained(place, here):
    """Version, photos, new classes and comparison are told, and nothing is written."""
    before = sorted(place.rglob("*"))
    line = "topfive retrain --from colours@1.0.0 photos new --version 2.0.0 --dry-run"
    plan = json.loads(here(f"{line} --json").stdout)
    assert (plan["version"], plan["baseline"]) == ("2.0.0", "colours@1.0.0")
    assert plan["former_photos_here"] == plan["former_photos"] < plan["compared_on"]
    counts, former = plan["photos"], plan["former_photos"]
    assert here(line).stdout == (
        "Would train colours@2.0.0 from colours@1.0.0.\n"
        f"Photos:     {counts['train']} train, {counts['validation']} validation, "
        f"{counts['held_out']} held_out; 4 classes, new: grey\n"
        f"Comparison: with colours@1.0.0 on {plan['compared_on']} photos, {former} of them among "
        f"the {former} it was measured on\n"
        "Nothing was written.\n"
    )
    assert sorted(place.rglob("*")) == before


def test_a_version_trained_on_is_the_next_minor_one(place, retrained):
    """It knows its parent, has the parent's classes in their places, and the new one behind."""
    assert retrained.returncode == 0, retrained.stderr
    assert retrained.stdout == "models/colours/1.1.0\n"
    bundle, parent = (open_bundle(place / f"models/colours/{one}") for one in ("1.1.0", "1.0.0"))
    assert bundle.manifest.training.parent == "colours@1.0.0"
    assert bundle.labels == (*parent.labels, "grey")
    assert "sample-red-disc.png" in bundle.manifest.files


def test_what_was_held_out_stays_so(place, retrained):
    """No photo that the parent was measured on is learned from, and some new ones are held out."""
    before, after = (
        read_split(open_bundle(place / f"models/colours/{one}")) for one in ("1.0.0", "1.1.0")
    )
    assert {sha256: after[sha256] for sha256 in before} == before
    assert "held_out" in {after[sha256] for sha256 in after.keys() - before.keys()}


def test_the_comparison_is_in_the_bundle(place, retrained):
    """Both are measured on the same held-out photos of the classes that both know."""
    bundle = open_bundle(place / "models/colours/1.1.0")
    found = json.loads((bundle.folder / "comparison.json").read_text("utf-8"))
    section = bundle.manifest.comparison
    assert found["baseline"] == section.baseline == "colours@1.0.0"
    assert found["baseline_digest"] == bundle_digest(read_manifest(place / "models/colours/1.0.0"))
    assert found["photos"] == section.photos
    former = read_manifest(place / "models/colours/1.0.0").training.photos["held_out"]
    assert found["former_photos"] == found["former_photos_here"] == former
    assert found["left_out_of_new_classes"] > 0
    held_out = bundle.manifest.training.photos["held_out"]
    assert found["photos"] + found["left_out_of_new_classes"] == held_out
    assert found["second"]["value"] > found["first"]["value"]
    assert found["is_better"] is section.is_better is True
    assert "colours@1.1.0 is better than colours@1.0.0 beyond chance" in retrained.stderr


def test_only_what_is_better_takes_over(place, server, typed, retrained):
    """A dry run changes nothing; then it is activated in every worker, and serves already."""
    assert _serving(server) == {"1.0.0"}
    tried = typed("topfive promote colours@1.1.0 --dry-run")
    assert (tried.returncode, tried.stderr) == (0, "")
    assert tried.stdout.splitlines()[1] == (
        "Would activate colours@1.1.0 in place of version 1.0.0. Nothing was changed."
    )
    assert _serving(server) == {"1.0.0"}
    done = typed("topfive promote colours")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == "colours@1.1.0 is active in every worker."
    assert _serving(server) == {"1.1.0"}
    again = typed("topfive promote colours@1.1.0")
    assert (again.returncode, again.stdout) == (0, "colours@1.1.0 serves already.\n")


def test_what_is_not_better_is_refused(place, server, here, retrained):
    """A version found worse than what serves changes nothing, and its name alone is not its."""
    good, worse = (place / f"models/colours/{one}" for one in ("1.1.0", "1.2.0"))
    here("topfive promote colours@1.1.0")
    section = read_manifest(good).comparison
    changes = {
        "baseline": "colours@1.1.0", "digest": bundle_digest(read_manifest(good)),
        "top1_before": section.top1_after, "top1_after": section.top1_before, "is_better": False,
    }  # fmt: skip
    copy_bundle(good, worse, version="1.2.0", comparison=section.model_dump() | changes)
    replace_file(worse, "evaluation.json", b"{}")
    with pytest.raises(PromotionRefused) as refused:
        here("topfive promote colours@1.2.0")
    assert str(refused.value).startswith("colours@1.2.0 is not better than colours@1.1.0: ")
    assert str(refused.value).endswith("topfive models activate colours@1.2.0.")
    assert _serving(server) == {"1.1.0"}
    assert find_bundle(place / "models", "colours") == good
    shutil.rmtree(worse)


def test_what_was_not_compared_with_what_serves_is_compared_on_photos(
    place, server, here, retrained
):
    """The older version is refused unheard, then by its answers; nothing has changed."""
    here("topfive promote colours@1.1.0")
    with pytest.raises(PromotionRefused, match=r"compared with no other version.*--photos PHOTOS"):
        here("topfive promote colours@1.0.0")
    with pytest.raises(PromotionRefused, match=r"1\.0\.0 is not better than colours@1\.1\.0: "):
        here("topfive promote colours@1.0.0 --photos photos")
    assert _serving(server) == {"1.1.0"}


def test_without_the_former_photos_nothing_is_promoted(place, here, retrained):
    """It is told before the training, and refused after it."""
    write_photos(place / "fewer", each=20, seed=11)
    done = here("topfive retrain --from colours@1.1.0 fewer --dry-run")
    assert "Note: Only " in done.stderr
    assert "`topfive promote` will refuse. Give the former photos too." in " ".join(
        done.stderr.split()
    )
    folder = copy_bundle(place / "models/colours/1.1.0", place / "forgetful/colours/1.3.0")

    def forget(manifest):
        manifest.update(version="1.3.0")
        serving = bundle_digest(read_manifest(place / "models/colours/1.1.0"))
        manifest["comparison"].update(former_here=1, digest=serving)

    change_manifest(folder, forget)
    replace_file(folder, "evaluation.json", b"{}")
    here("topfive promote colours@1.1.0")
    with pytest.raises(PromotionRefused, match="compared on only 1 of the "):
        here("topfive promote forgetful/colours/1.3.0")


def test_a_model_of_another_name_cannot_be_trained_on(here):
    """What is shipped or official has its name for itself; the message says what to do."""
    for name in ("digits", "mobilenet_v2"):
        with pytest.raises(SettingsError, match=f"topfive train PHOTOS --base {name} --name NAME"):
            here(f"topfive retrain --from {name} photos")


def test_a_recipe_that_begins_anew_is_refused(place, here):
    """It would forget what the version knows."""
    write_recipe(place / "anew.toml", scratch_recipe())
    with pytest.raises(SettingsError, match="begins with an untrained network"):
        here("topfive retrain --from colours@1.0.0 photos --recipe anew.toml --dry-run")


def test_a_picture_in_two_classes_of_two_places_is_told(place, here, tmp_path):
    """Both files are named."""
    write_photos(tmp_path / "more", {"yellow": (220, 200, 40)}, each=6)
    shutil.copy(place / "photos/red/0.png", tmp_path / "more/yellow/wrong.png")
    with pytest.raises(
        DatasetRefused, match=r"wrong\.png is the same picture as photos/red/0\.png"
    ):
        here(f"topfive retrain --from colours@1.0.0 photos {tmp_path}/more --dry-run")


def test_photos_of_new_classes_alone_cannot_be_compared_on(here, tmp_path):
    """There is nothing that the version before could say of them."""
    write_photos(tmp_path / "more", {"yellow": (220, 200, 40)}, each=6)
    with pytest.raises(DatasetRefused, match="No photo is of a class that both models have"):
        here(f"topfive retrain --from colours@1.0.0 {tmp_path}/more --dry-run")


def test_where_no_service_runs_nothing_is_promoted(here):
    """The address is told, and how to start one."""
    with pytest.raises(OperatorError, match=r"Nothing listens at http://127\.0\.0\.1:9"):
        here("topfive promote colours@1.0.0 --url http://127.0.0.1:9")
