"""The command line, without a server."""

import json
import logging
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests import pictures
from tests.unit.bundle_copies import copy_bundle, replace_file
from topfive import __version__, cli
from topfive.cli import commands
from topfive.cli.picture_files import find_pictures
from topfive.errors import SettingsError, WeightsUnreachable


@pytest.fixture
def run(monkeypatch, tmp_path, tiny_folder):
    """Runs a command in an empty directory, with the tiny model unless told otherwise."""
    monkeypatch.chdir(tmp_path)
    level = logging.getLogger().level

    def run_command(*arguments: str, standard_input: bytes | None = None, **variables: str):
        environment = {"TOPFIVE_MODEL": str(tiny_folder), "TOPFIVE_ENGINE": "openvino"}
        return CliRunner().invoke(commands, arguments, standard_input, environment | variables)

    yield run_command
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize(
    "command", ["serve", "reload", "models", "pull", "quantize", "classify", "doctor"]
)
def test_every_command_explains_itself_with_examples(run, command):
    """Help names what the command does and shows how it is called."""
    assert command in run("--help").output
    for flag in ("--help", "-h"):
        found = run(command, flag)
        assert found.exit_code == 0
        assert f"topfive {command}" in found.output
        assert "Examples:" in found.output


def test_the_version_is_told(run):
    """The version is the package's."""
    assert run("--version").output == f"topfive, version {__version__}\n"


def test_classify_prints_what_the_api_answers(run, tmp_path):
    """Each picture gets a line in order: its file, and the keys of an answer of /predict."""
    for name, data in (("a.jpg", pictures.jpeg()), ("b.png", pictures.png(30, 40))):
        (tmp_path / name).write_bytes(data)
    found = run("classify", "--json", "--top-k", "3", "a.jpg", "b.png")
    first, second = (json.loads(line) for line in found.stdout.splitlines())
    assert found.exit_code == 0
    assert list(first) == ["file", "request_id", "model", "predictions", "image", "timing_ms"]
    assert (first["file"], second["file"]) == ("a.jpg", "b.png")
    assert first["model"] == {"name": "tiny", "version": "1"}
    assert len(first["predictions"]) == 3
    assert list(first["predictions"][0]) == ["class_id", "class_name", "confidence"]
    assert second["image"] == {"format": "PNG", "width": 30, "height": 40}
    assert first["request_id"] != second["request_id"]


def test_one_bad_file_does_not_stop_the_others(run, tmp_path):
    """Bad files are told as problems, the others are classified, and the exit code is 1."""
    (tmp_path / "bad.png").write_bytes(pictures.forged_png(10, 10))
    (tmp_path / "good.png").write_bytes(pictures.png())
    found = run("classify", "--json", "bad.png", "gone.png", "good.png")
    bad, gone, good = (json.loads(line) for line in found.stdout.splitlines())
    assert found.exit_code == 1
    assert list(bad) == ["file", "type", "title", "status", "detail", "code", "request_id"]
    assert (bad["status"], bad["code"]) == (400, "invalid_image")
    assert bad.keys() == gone.keys()
    assert (gone["status"], gone["code"]) == (None, "unreadable_file")
    assert gone["detail"] == "No such file or directory."
    assert good["predictions"]


def test_classify_takes_folders(run, tmp_path):
    """Every picture below a folder is classified, sorted; what is named otherwise is counted."""
    names = ["b.png", "deep/er/a.JPG", "a.jpeg", "deep/notes.txt", "Makefile"]
    for name in names:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(pictures.png())
    found = run("classify", "--json", "photos")
    assert found.exit_code == 0
    assert [json.loads(line)["file"] for line in found.stdout.splitlines()] == [
        "photos/a.jpeg", "photos/b.png", "photos/deep/er/a.JPG",
    ]  # fmt: skip
    assert found.stderr == "Note: 2 files in photos skipped, not named like a picture.\n"


def test_a_folder_without_pictures_is_a_failure(run, tmp_path):
    """Whoever names an empty folder learns that nothing was classified."""
    (tmp_path / "empty").mkdir()
    found = run("classify", "--json", "empty")
    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert (told["file"], told["code"]) == ("empty", "missing_file")
    assert told["detail"] == "The folder holds no picture."


def test_pipes_and_devices_in_a_folder_are_told_and_not_read(run, tmp_path):
    """What may never end, however it is called, does not keep the pictures waiting."""
    folder = tmp_path / "photos"
    folder.mkdir()
    os.mkfifo(folder / "a.jpg")
    (folder / "b.png").symlink_to("/dev/zero")
    (folder / "c.jpg").write_bytes(pictures.jpeg())
    (folder / "loop").symlink_to(folder)
    found = run("classify", "--json", "photos")
    first, second, third = (json.loads(line) for line in found.stdout.splitlines())
    assert found.exit_code == 1
    assert {first["detail"], second["detail"]} == {"It is not a regular file."}
    assert len(third["predictions"]) == 5


def test_names_are_shown_as_they_are(run, tmp_path, tiny_folder):
    """Brackets in a class or a setting are no markup, and a file's name steers no terminal."""
    folder = copy_bundle(tiny_folder, tmp_path / "bundle")
    others = (folder / "labels.txt").read_text("utf-8").splitlines()[2:]
    replace_file(folder, "labels.txt", "\n".join(["[/red]", "[bold]wren", *others]).encode())
    picture = tmp_path / "a\x1b[2J.jpg"
    picture.write_bytes(pictures.jpeg())
    found = run("classify", "--top-k", "100", str(picture), TOPFIVE_MODEL=str(folder))
    assert "\x1b[2J" not in found.output
    assert "[/red]" in found.output
    assert "[bold]wren" in found.output
    assert "[/x]" in run("doctor", TOPFIVE_MODEL="[/x]").output


def test_a_folder_that_cannot_be_read_is_told(monkeypatch):
    """A folder that the system refuses is listed with what it said, and hides no other."""
    refused = PermissionError(13, "Permission denied", "photos/secret")

    def walk(_folder, onerror):
        onerror(refused)
        return iter([("photos", ["secret"], ["a.png"])])

    monkeypatch.setattr(os, "walk", walk)
    monkeypatch.setattr(Path, "is_dir", lambda _path: True)
    secret, picture = find_pictures([Path("photos")])
    assert (secret.path, secret.error) == (Path("photos/secret"), refused)
    assert (picture.path, picture.error) == (Path("photos/a.png"), None)


def test_classify_reads_standard_input(run):
    """`-` is one picture that another program writes."""
    found = run("classify", "--json", "-", standard_input=pictures.jpeg(40, 30))
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert (told["file"], told["image"]["width"]) == ("-", 40)
    found = run("classify", "-", standard_input=b"")
    assert found.exit_code == 1
    assert "-: The picture has zero bytes." in found.stderr


def test_too_large_a_file_is_not_read_whole(run, tmp_path):
    """A file far over the limit is refused like an upload."""
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(2_000_000_000)
    found = run("classify", "--json", "large.jpg", TOPFIVE_MAX_UPLOAD_BYTES="100000")
    assert json.loads(found.stdout)["code"] == "file_too_large"


def test_classify_shows_a_table_to_a_person(run, tmp_path):
    """Without --json the best class and its confidence stand in a table, failures beside it."""
    (tmp_path / "a.png").write_bytes(pictures.png())
    (tmp_path / "b.png").write_bytes(b"text")
    found = run("classify", "a.png", "b.png")
    assert found.exit_code == 1
    assert "class " in found.stdout
    assert "%" in found.stdout
    assert "b.png: " in found.stderr
    assert "(unsupported_format)" in found.stderr


def test_classify_lays_the_heatmap_over_the_picture(run, tmp_path):
    """One picture gets the PNG that is named: the picture itself, coloured where the class was."""
    (tmp_path / "a.png").write_bytes(pictures.rotated(6, "PNG", 200, 100))
    found = run("classify", "--heatmap", "seen.png", "a.png")
    assert found.exit_code == 0
    assert "class " in found.stdout
    with Image.open(tmp_path / "seen.png") as seen:
        overlay = np.asarray(seen).astype(int)
    upright = np.asarray(pictures.draw(200, 100)).astype(int)
    assert overlay.shape == upright.shape
    assert (overlay[:, :40] == upright[:, :40]).all()
    assert np.abs(overlay - upright)[:, 60:140].max() > 60


def test_classify_writes_heatmaps_of_several_pictures_into_a_folder(run, tmp_path):
    """Each is called after its picture, pictures of one name are told apart, failures have none."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(pictures.png())
    (tmp_path / "one" / "b.jpg").write_bytes(b"text")
    found = run("classify", "--heatmap", "seen/here", "one", "two", "-",
                standard_input=pictures.jpeg(3000, 2000))  # fmt: skip
    assert found.exit_code == 1
    written = {path.name for path in (tmp_path / "seen" / "here").iterdir()}
    assert written == {"a.png.png", "a.png-2.png", "standard-input.png"}
    with Image.open(tmp_path / "seen" / "here" / "standard-input.png") as seen:
        assert seen.size == (1024, 683)


def test_classify_says_where_a_heatmap_cannot_be_written(run, tmp_path):
    """The reason is told, and nothing else goes wrong."""
    (tmp_path / "a.png").write_bytes(pictures.png())
    (tmp_path / "file").touch()
    found = run("classify", "--heatmap", "file/seen.png", "a.png")
    assert found.exit_code == 1
    assert "file/seen.png cannot be written: " in found.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a.jpg", "b.jpg"), "'a.jpg' must end with .png"),
        (("b.png", "b.png"), "would write over the picture b.png"),
        (("b.png", "a.jpg", "b.jpg"), "several pictures: b.png is a file"),
    ],
)
def test_classify_never_writes_a_heatmap_over_a_picture(run, tmp_path, arguments, reason):
    """Who forgets the name, and so gives a picture's, is told, and keeps the picture."""
    files = {
        name: pictures.png() if name == "b.png" else pictures.jpeg()
        for name in ("a.jpg", "b.jpg", "b.png")
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = run("classify", "--heatmap", *arguments)
    assert found.exit_code == 2
    assert reason in " ".join(found.stderr.split())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == files


def test_classify_at_a_service_draws_over_files_alone(run):
    """What is read from standard input is sent, and cannot be read once more."""
    found = run("classify", "--heatmap", "seen", "--url", "http://127.0.0.1:9", "a.png", "-")
    assert found.exit_code == 2
    assert "`-` cannot be read twice" in found.stderr


def test_classify_says_that_a_model_has_no_heatmap(run, tmp_path, tiny_folder):
    """With a bundle of before there were any, that is what each picture gets."""
    (tmp_path / "a.png").write_bytes(pictures.png())
    older = copy_bundle(tiny_folder, tmp_path / "older", layout=1, heatmap=None)
    found = run("classify", "--heatmap", "seen.png", "a.png", TOPFIVE_MODEL=str(older))
    assert found.exit_code == 1
    assert "(heatmap_unavailable)" in found.stderr
    assert not (tmp_path / "seen.png").exists()


def test_classify_says_when_the_fallback_answers(run, tmp_path, tiny_folder):
    """Whoever reads the answer is told that another model gave it."""
    (tmp_path / "a.png").write_bytes(pictures.png())
    found = run(
        "classify", "--json", "a.png",
        TOPFIVE_MODEL="resnet50", TOPFIVE_FALLBACK_MODEL=str(tiny_folder),
    )  # fmt: skip
    assert found.exit_code == 0
    assert "tiny answers instead" in found.stderr
    assert json.loads(found.stdout)["model"]["name"] == "tiny"


def test_classify_needs_a_picture(run):
    """Nothing to classify is wrong usage."""
    assert run("classify").exit_code == 2
    assert run("classify", "--top-k", "0", "a.png").exit_code == 2


def test_doctor_says_what_would_be_chosen(run):
    """The findings are JSON: the machine, the engine, the sizes and the model."""
    found = run("doctor", "--json", TOPFIVE_WORKERS="3", TOPFIVE_SLOTS="2")
    findings = json.loads(found.stdout)
    assert found.exit_code == 0
    assert findings["topfive"]["found"] == __version__
    assert findings["model"]["found"] == "tiny 1"
    assert "agrees with the reference" in findings["model"]["why"]
    assert findings["workers x slots"]["found"] == "3 x 2"
    assert findings["engine"]["found"].startswith("openvino ")
    assert findings["torch"]["found"] == "installed"


def test_doctor_names_the_history_without_its_address(run, monkeypatch):
    """It says which database keeps one, and what to install where that is missing."""
    url = "postgresql://me:SECRET@db.example.org/topfive"
    monkeypatch.setattr("topfive.wiring.history_check.find_spec", lambda name: name)
    found = run("doctor", "--json", TOPFIVE_HISTORY_URL=url)
    assert json.loads(found.stdout)["history"]["found"] == "in PostgreSQL"
    monkeypatch.setattr("topfive.wiring.history_check.find_spec", lambda name: None)
    lacking = run("doctor", TOPFIVE_HISTORY_URL=url)
    assert "pip install -r requirements-postgresql.txt" in " ".join(lacking.output.split())
    assert "SECRET" not in found.output + lacking.output
    nothing = json.loads(run("doctor", "--json", TOPFIVE_HISTORY_URL="").stdout)
    assert nothing["history"]["found"] == "none"


def test_doctor_fails_where_the_model_cannot_be_loaded(run, tmp_path):
    """The exit code and the finding tell that the model is not ready, and why."""
    found = run("doctor", "--json", TOPFIVE_MODEL=str(tmp_path / "missing"))
    assert found.exit_code == 1
    model = json.loads(found.stdout)["model"]
    assert "not ready" in model["found"]
    assert "cannot be read" in model["why"]


def test_doctor_calls_a_model_of_ones_own_by_its_name(run, tmp_path):
    """Weights of one's own that were not pulled yet are not called by their architecture."""
    (tmp_path / "birds.pth").write_bytes(b"weights")
    found = run("doctor", "--json", TOPFIVE_MODEL="mobilenet_v2", TOPFIVE_WEIGHTS="birds.pth")
    model = json.loads(found.stdout)["model"]
    assert model["found"] == "birds: not ready"
    assert model["why"] == "There is no bundle of birds in models yet."


def test_doctor_reports_an_impossible_engine(run):
    """A precision that the engine does not have is a finding, not a crash."""
    found = run("doctor", "--json", TOPFIVE_ENGINE="torch", TOPFIVE_PRECISION="int8")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["engine"]["found"] == "none"


def test_doctor_shows_a_table_to_a_person(run):
    """Without --json the same findings stand in a table."""
    assert "tiny 1" in run("doctor").stdout


def test_pull_without_torch_says_what_to_do(run, monkeypatch):
    """On a machine that only serves, pulling is refused in plain words."""
    monkeypatch.setattr(sys.modules["topfive.cli.pull"], "find_spec", lambda _: None)
    found = run("pull", "mobilenet_v2")
    assert found.exit_code == 1
    assert "requirements-torch.txt" in str(found.exception)


@pytest.mark.parametrize(("kind", "exit_code"), [(SettingsError, 2), (WeightsUnreachable, 1)])
def test_an_operators_error_is_one_plain_message(monkeypatch, capsys, kind, exit_code):
    """No traceback: one line, and by the exit code whether it may help to try again."""

    def fail() -> None:
        raise kind("This is wrong.")

    monkeypatch.setattr(cli, "commands", fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == exit_code
    assert capsys.readouterr().err == "Error: This is wrong.\n"
