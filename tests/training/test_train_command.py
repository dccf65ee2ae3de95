"""`topfive train`, as a person types it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest
from click.testing import CliRunner

from tests.training.coloured_photos import scratch_recipe, write_photos, write_recipe
from topfive.bundles.store import list_manifests, open_bundle
from topfive.cli import commands
from topfive.errors import DatasetRefused, SettingsError

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit:DeprecationWarning")


def _run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "topfive", "train", *map(str, arguments)],
        capture_output=True, text=True, cwd=folder, check=False, timeout=900,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder in which a person stands: photos in it, and a recipe."""
    root = tmp_path_factory.mktemp("place")
    write_photos(root / "photos")
    write_recipe(root / "recipe.toml", scratch_recipe(epochs=4))
    return root


@pytest.fixture(scope="module")
def killed(place) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A training that was killed after an epoch, and what the same command then did."""
    arguments = ["photos", "--base", "mobilenet_v2", "--recipe", "recipe.toml", "--name", "colours"]
    running = subprocess.Popen(
        [sys.executable, "-m", "topfive", "train", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place,
    )  # fmt: skip
    until = monotonic() + 600
    while not list(place.glob("models/colours/.training-*/fine_tuning.pt")):
        assert running.poll() is None, "it has ended before it was killed"
        assert monotonic() < until, "no epoch has ended"
        sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert list_manifests(place / "models") == []
    return place, _run(*arguments, "--json", folder=place)


def test_a_training_that_was_killed_goes_on(killed):
    """The same command goes on after the last whole epoch, and says so."""
    _, done = killed
    assert done.returncode == 0, done.stderr
    assert "Going on after epoch " in done.stderr


def test_what_came_of_it_is_json_on_demand(killed):
    """A program reads folder, version, metrics and calibration from standard output."""
    place, done = killed
    found = json.loads(done.stdout)
    assert (found["name"], found["version"], found["classes"]) == ("colours", "1.0.0", 3)
    assert found["metrics"]["held_out_count"] == found["training"]["photos"]["held_out"]
    assert found["calibration"]["temperature"] > 0
    assert sum(found["training"]["photos"].values()) == 60
    assert open_bundle(place / found["folder"]).manifest.metrics == found["metrics"]


def test_the_next_training_of_a_name_is_the_next_minor_version(killed):
    """It begins with the version before, and says how well it does."""
    place, _ = killed
    done = _run(
        "photos", "--base", "colours", "--name", "colours", "--epochs", 0, "--threads", 1,
        folder=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "models/colours/1.1.0\n"
    manifest = open_bundle(place / "models/colours/1.1.0").manifest
    assert manifest.training.parent == "colours@1.0.0"
    assert "Accuracy:   top-1 " in done.stderr
    assert "Confidence: calibration error " in done.stderr


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (["--name", "mobilenet_v2"], SettingsError, "the name of an official model"),
        (["--name", "Blumen!"], SettingsError, "small letters"),
        (["--name", "a", "--version", "so ist's"], SettingsError, "Write 1.2.0"),
        (["--name", "a", "--recipe", "none.toml"], SettingsError, "cannot be read"),
        (["--name", "a", "--learning-rate", "-1"], SettingsError, "learning_rate"),
        (["--name", "a", "--base", "colours@9"], SettingsError, "no version '9'|no model"),
        (["--name", "a", "--base", "nothing"], SettingsError, "no model 'nothing'"),
    ],
)
def test_wrong_usage_is_told(place, monkeypatch, options, kind, message):
    """Each wrong value is named, with what to do, and no model's folder is made."""
    monkeypatch.chdir(place)
    with pytest.raises(kind, match=message):
        CliRunner().invoke(
            commands, ["train", "photos", "--base", "mobilenet_v2", *options],
            catch_exceptions=False,
        )  # fmt: skip
    assert not (place / "models" / "a").exists()


def test_photos_that_are_not_there_are_told(tmp_path, monkeypatch):
    """The error names the path, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetRefused, match="nowhere"):
        CliRunner().invoke(
            commands, ["train", "nowhere", "--base", "mobilenet_v2", "--name", "a"],
            catch_exceptions=False,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_sample_that_is_no_picture_is_told(place, tmp_path, monkeypatch):
    """It is wrong usage, told before anything else is done."""
    monkeypatch.chdir(place)
    arguments = ["train", "photos", "--base", "mobilenet_v2", "--name", "a"]
    os.mkfifo(tmp_path / "pipe.png")
    for file in ("recipe.toml", str(tmp_path / "pipe.png")):
        done = CliRunner().invoke(commands, [*arguments, "--sample", file])
        assert done.exit_code == 2
        assert file in done.output
