"""`topfive quantize`: what is wrong is told before anything is read."""

import json
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from tests.unit.bundle_copies import add_int8_graph, change_manifest, copy_bundle
from topfive.bundles.manifest import Int8Section
from topfive.bundles.store import read_manifest
from topfive.cli import commands
from topfive.cli import extras as extras_module
from topfive.evaluation.comparison import Comparison
from topfive.statistics.proportions import Interval


@pytest.fixture
def run(monkeypatch, tmp_path, tiny_folder):
    """Runs the command where the tiny model is version 1.0.0 in `models`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    copy_bundle(tiny_folder, tmp_path / "models" / "tiny" / "1.0.0", version="1.0.0")
    return lambda *given: CliRunner().invoke(
        commands, ("quantize", *given, "--calibrate", "photos"), env={"COLUMNS": "80"}
    )


def test_what_is_quantized_already_is_told(run, tmp_path):
    """With the version that it was made of."""
    folder = tmp_path / "models" / "tiny" / "1.0.0"
    add_int8_graph(folder)
    change_manifest(folder, lambda one: one["int8"].update(made_of="tiny@0.9.0"))
    found = run("tiny")
    assert str(found.exception) == (
        "tiny 1.0.0 has an int8 graph already. Name the version that it was made of, tiny@0.9.0, "
        "or another."
    )


def test_a_version_that_is_there_is_told(run):
    """A version never changes."""
    found = run("tiny", "--version", "1.0.0")
    assert "There is a version 1.0.0 of tiny in models already" in str(found.exception)


@pytest.mark.parametrize(
    ("version", "told"),
    [("1.0.1", "mobilenet_v2 is an official model"), ("No!", "small letters")],
)
def test_a_version_that_cannot_be_is_wrong_usage(run, tmp_path, version, told):
    """An official model's versions have names of their own, and every name has a form."""
    if told.startswith("mobilenet_v2"):
        folder = tmp_path / "models" / "tiny" / "1.0.0"
        source = "https://download.pytorch.org/models/mobilenet_v2-7ebf99e0.pth"
        change_manifest(folder, lambda one: one.update(name="mobilenet_v2", source=source))
    found = run("models/tiny/1.0.0", "--version", version)
    assert found.exit_code == 2
    assert told in found.output


def test_an_older_bundle_is_told(run, tmp_path):
    """Of one without its reference's logits, nobody could say whether int8 is right."""
    folder = tmp_path / "models" / "tiny" / "1.0.0"
    change_manifest(folder, lambda one: one["golden"].update(inputs=[]))
    assert "make it again with `topfive pull`" in str(run("tiny").exception)


def test_a_missing_package_is_told(run, monkeypatch):
    """With the file that names all that is needed."""
    monkeypatch.setattr(extras_module, "find_spec", lambda name: None if name == "nncf" else name)
    assert str(run("tiny").exception) == (
        "`topfive quantize` needs nncf, which is not installed. Install what it needs: pip install "
        "-r requirements-quantize.txt"
    )


@pytest.fixture
def quantized(monkeypatch, tmp_path, tiny_folder):
    """The command makes this, and takes no time for it."""
    half = Interval(0.5, 0.4, 0.6)
    comparison = Comparison(100, 3, 1, half, half, Interval(-0.02, -0.06, 0.02), 0.625)
    row = {"top1": 0.5, "top5": 0.75, "graph_bytes": 2_500_000}
    table = {"f32": row | {"inference_ms": 2.0}, "int8": row}
    section = Int8Section(
        calibration_photos=50, held_out_photos=100, measured=table, made_of="tiny@1.0.0"
    )
    manifest = read_manifest(tiny_folder).model_copy(update={"version": "1.0.1", "int8": section})
    measurement = SimpleNamespace(table=table, comparison=comparison)
    made = SimpleNamespace(folder=tmp_path / "made", manifest=manifest, measurement=measurement)
    monkeypatch.setattr(sys.modules["topfive.cli.quantize"], "_quantize", lambda *_: made)
    return made


def test_what_was_measured_is_shown(run, quantized):
    """The folder on standard output; all else is for people, on standard error."""
    found = run("tiny")
    assert found.stdout == f"{quantized.folder}\n"
    rows = [line.split("│") for line in found.stderr.splitlines() if "│ int8" in line]
    assert [cell.strip() for cell in rows[0][1:-1]] == ["int8", "50.0%", "75.0%", "-", "2.5"]
    for line in (
        "Model:      tiny, version 1.0.1",
        "Calibrated: on 50 photos",
        "Accuracy:   -2.00 points in int8 (95% interval -6.00 to +2.00), on 100 other photos",
        "Serve:      TOPFIVE_MODEL=tiny@1.0.1 topfive serve",
        "Note:       this CPU does not compute in int8 by itself, and serves in another precision",
    ):
        assert line in found.stderr.splitlines()


def test_a_program_reads_json(run, quantized):
    """All that the manifest keeps, and the comparison with f32."""
    document = json.loads(run("tiny", "--json").stdout)
    assert (document["name"], document["version"]) == ("tiny", "1.0.1")
    assert document["folder"] == str(quantized.folder)
    assert document["int8"]["made_of"] == "tiny@1.0.0"
    assert document["comparison_with_f32"]["p_value"] == 0.625
