"""`topfive evaluate`, as a person runs it."""

import csv
import json
import re
import sys
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from tests.functional.start import run_topfive as topfive
from tests.unit.bundle_copies import change_manifest, copy_bundle, replace_file
from topfive.bundles.store import demo_root, hash_file, open_bundle
from topfive.classify.loading import load_classifier
from topfive.cli import main
from topfive.datasets.reading import read_dataset
from topfive.engines import EngineOptions
from topfive.errors import OperatorError
from topfive.evaluation.evaluation import evaluate
from topfive.evaluation.report import ReportOptions, write_report
from topfive.evaluation.thumbnails import draw_thumbnail
from topfive.images.limits import ImageLimits

LIMITS = ImageLimits()
HOSTILE = '<img src=x onerror="alert(1)">'
PHOTO_COUNT = 40
SCRIPTS = re.compile(r"<script|javascript:|https?://(?!www\.w3\.org/)", re.IGNORECASE)


@pytest.fixture(scope="module")
def bundle():
    """The embedded bundle's folder, opened."""
    (folder,) = (demo_root() / "digits").iterdir()
    return open_bundle(folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory, bundle):
    """A folder of written digits for each class; the first seven is among the ones."""
    from sklearn.datasets import load_digits

    root, digits = tmp_path_factory.mktemp("evaluate") / "photos", load_digits()
    is_first_seven = True
    for number in range(PHOTO_COUNT):
        class_id = int(digits.target[number])
        if class_id == 7 and is_first_seven:
            class_id, is_first_seven = 1, False
        folder = root / bundle.labels[class_id]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = (255 - digits.images[number] * 15).astype(np.uint8)
        picture = Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number}.jpg", comment=b"taken at home")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory, bundle, photos):
    """A models directory with `trained` 1.1.0, made of all photos but those of the first class.

    Its classes are the same, but in the reverse order; the first is called by a hostile name.
    """
    folder = tmp_path_factory.mktemp("models") / "trained" / "1.1.0"
    folder.parent.mkdir()
    copy_bundle(bundle.folder, folder, name="trained", version="1.1.0")
    labels = [HOSTILE, *bundle.labels[1:]]
    replace_file(folder, "labels.txt", "\n".join([*labels, ""]).encode())
    seen = [one for name in bundle.labels[1:] for one in (photos / name).iterdir()]
    rows = "".join(f"{hash_file(one)},0,train,x\n" for one in seen)
    replace_file(folder, "split.csv", f"sha256,class_id,part,class_name\n{rows}".encode())
    calibration = {"temperature": 1.5, "error_before": 0.1, "error_after": 0.01, "photos": 9}
    change_manifest(folder, lambda manifest: manifest.update(calibration=calibration))
    return folder.parents[1]


class Typed(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Run a command in this process, in an empty folder: a start of its own takes seconds."""

    def run(*arguments, **settings):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["topfive", *arguments])
        for name, value in settings.items():
            monkeypatch.setenv(f"TOPFIVE_{name.upper()}", value)
        with pytest.raises(SystemExit) as ended:
            main()
        return Typed(ended.value.code, *capsys.readouterr())

    return run


def _as_csv(photos, bundle, path, names=None):
    """List all photos in a table, by their class ids."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "class_id"])
        for class_id, name in enumerate(names or bundle.labels):
            rows.writerows((str(one), class_id) for one in sorted((photos / name).iterdir()))
    return path


def test_the_table_shows_what_was_measured(tmp_path, photos):
    """Accuracy with its interval, calibration, time and the worst classes, and nothing else."""
    done = topfive(tmp_path, "evaluate", "digits", str(photos), "--precision", "f32")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"digits@\S+, openvino f32", done.stdout)
    assert re.search(r"photos +│ +40 ", done.stdout)
    assert re.search(r"top-1 accuracy +│ +\d+\.\d% \(\d+\.\d to \d+\.\d\)", done.stdout)
    assert re.search(r"1 of \d+ one: taken for seven", done.stdout)
    for name in ("top-5 accuracy", "calibration error", "model alone", "file to answer", "recall"):
        assert name in done.stdout
    assert not list(tmp_path.iterdir())


def test_json_is_one_object_with_all_of_it(tmp_path, typed, photos, bundle):
    """A program finds the model, the dataset, the metrics and the worst mistakes."""
    done = typed("evaluate", "digits", str(photos), "--json", "--worst", "1")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["model"]["name"] == "digits"
    assert document["model"]["digest"]
    assert document["dataset"]["photos"] == document["metrics"]["photos"] == PHOTO_COUNT
    assert len(document["dataset"]["sha256"]) == 64
    (worst,) = document["worst"]
    assert (worst["truth"], worst["prediction"]) == ("one", "seven")
    assert worst["file"].startswith(str(photos / "one"))
    assert document["failures"] == []
    assert "comparison" not in document


def test_the_report_needs_nothing_else_and_holds_no_more_than_pixels(tmp_path, photos):
    """One file: plots and photos are in it, nothing is loaded, no script, no word of a file's."""
    arguments = ("evaluate", "digits", str(photos), "--report", "report.html")
    done = topfive(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "Report: report.html\n")
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "default-src 'none'" in html
    assert not SCRIPTS.search(html)
    assert html.count("<svg") == 3
    assert "data:image/jpeg;base64," in html
    assert "one/7.jpg" in html
    assert not re.search(r"#0a0a0\d", html)
    assert "taken at home" not in html


def test_two_bundles_are_compared_on_the_same_photos(tmp_path, typed, photos, bundle, trained):
    """Photos of a class that one lacks are left out, what the other was trained on is taken."""
    arguments = ("evaluate", "digits", str(photos), "--against", "trained", "--part", "all")
    done = typed(*arguments, "--json", "--report", "report.html", models_dir=str(trained))
    assert done.returncode == 0
    zeros = len(list((photos / "zero").iterdir()))
    assert f"{zeros} photos are left out: one of the two models" in done.stderr
    document = json.loads(done.stdout)
    comparison = document["comparison"]
    assert comparison["photos"] == PHOTO_COUNT - zeros
    assert (comparison["difference"]["value"], comparison["p_value"]) == (0, 1)
    assert comparison["first_model"].startswith("trained@1.1.0")
    assert document["against"]["model"]["temperature"] == 1.5
    html = (tmp_path / "report.html").read_text("utf-8")
    assert html.count("<svg") == 6
    assert "These photos do not show which of the two is better." in html
    assert len(set(re.findall(r'<svg[^>]* id="([^"]+)"', html))) in (0, 6)


def test_one_bundle_in_two_engines_is_told_apart_by_them(tmp_path, typed, photos):
    """Both agree on what is in the pictures."""
    done = typed(
        "evaluate", "digits", str(photos), "--precision", "f32",
        "--against", "digits", "--against-engine", "torch",
    )  # fmt: skip
    assert done.returncode == 0
    assert "These photos do not show which is better, openvino f32 or torch f32" in done.stdout


def test_what_a_model_was_trained_on_is_left_out(tmp_path, typed, photos, bundle, trained):
    """Only photos that it has never seen say how good it is; --part all takes them, and says so."""
    table = _as_csv(photos, bundle, tmp_path / "photos.csv")
    folder = str(trained / "trained" / "1.1.0")
    done = typed("evaluate", folder, "photos.csv", "--json")
    zeros = len(list((photos / "zero").iterdir()))
    assert done.stderr.startswith(f"Note: {PHOTO_COUNT - zeros} photos are left out, which a model")
    assert json.loads(done.stdout)["metrics"]["photos"] == zeros
    whole = typed("evaluate", folder, str(table), "--part", "all")
    assert whole.stderr.startswith(f"Note: {PHOTO_COUNT - zeros} photos are among these that a")
    assert re.search(rf"photos +│ +{PHOTO_COUNT} ", whole.stdout)


def test_a_hostile_class_name_stays_text(tmp_path, typed, photos, bundle, trained):
    """In the report it is escaped, on the terminal it steers nothing."""
    table = _as_csv(photos, bundle, tmp_path / "photos.csv")
    done = typed(
        "evaluate", "trained@1.1.0", str(table), "--report", "report.html", "--part", "all",
        "--models-dir", str(trained),
    )  # fmt: skip
    assert done.returncode == 0
    assert HOSTILE in done.stdout
    html = (tmp_path / "report.html").read_text("utf-8")
    # The table names its photos by whole paths, which are of no use to who reads the report.
    assert "one/7.jpg" in html
    assert str(photos) not in html
    assert HOSTILE not in html
    assert "&lt;img src=x" in html


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nosuch", "photos"), "There is no model 'nosuch'"),
        (("digits@99", "photos"), "There is no version '99' of digits"),
        (("./photos", "photos"), "is not a bundle"),
        (("mobilenet_v2", "photos"), "topfive pull mobilenet_v2"),
        (("digits", "gone"), "'gone' does not exist"),
        (("digits", "empty"), "no folder per class"),
        (("digits", "photos", "--part", "held_out"), "None of the 40 photos is in"),
        (("digits", "photos", "--report", "photos/one/7.jpg"), "does not end in .html"),
        (("digits", "photos", "--report", "gone/r.html"), "there is no folder gone"),
        (("digits", "photos", "--against-engine", "torch"), "go with --against"),
        (("digits", "photos", "--precision", "int8"), "int8"),
    ],
)
def test_what_cannot_be_used_is_told_plainly(tmp_path, typed, photos, arguments, told):
    """A mistake is one message that says what is wrong, and nothing is written."""
    (tmp_path / "photos").symlink_to(photos)
    (tmp_path / "empty").mkdir()
    before = hash_file(photos / "one" / "7.jpg")
    done = typed("evaluate", *arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert told in done.stderr
    assert hash_file(photos / "one" / "7.jpg") == before
    assert {one.name for one in tmp_path.iterdir()} == {"photos", "empty"}


def test_a_report_that_cannot_be_written_leaves_nothing_beside(tmp_path, photos, bundle):
    """Where its place is taken by a folder, the message names it."""
    classifier = load_classifier(bundle, EngineOptions("openvino", "f32"), LIMITS, frozenset())
    dataset = read_dataset(photos, bundle.labels)
    evaluation = evaluate(classifier, dataset.photos[:5])
    classifier.close()
    (tmp_path / "report.html").mkdir()
    options = ReportOptions("photos", photos, "all", "2026-01-01", LIMITS)
    with pytest.raises(OperatorError, match=r"report\.html cannot be written: Is a directory"):
        write_report(tmp_path / "report.html", evaluation, None, options)
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_photo_that_is_gone_has_no_thumbnail(tmp_path):
    """The report says so in its place."""
    assert draw_thumbnail(tmp_path / "gone.jpg", LIMITS) == ""
