"""The command line, without a server."""

import json
import logging
import sys

import pytest
from click.testing import CliRunner

from tests import pictures
from topfive import __version__, cli
from topfive.cli import commands
from topfive.errors import SettingsError


@pytest.fixture
def run(monkeypatch, tmp_path, tiny_folder):
    """Runs a command in an empty directory, with the tiny model unless told otherwise."""
    monkeypatch.chdir(tmp_path)
    level = logging.getLogger().level

    def run_command(*arguments: str, **variables: str):
        environment = {"TOPFIVE_MODEL": str(tiny_folder), "TOPFIVE_ENGINE": "openvino"}
        return CliRunner().invoke(commands, arguments, env=environment | variables)

    yield run_command
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize("command", ["serve", "reload", "pull", "classify", "doctor"])
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


def test_classify_prints_one_json_object_a_line(run, tmp_path):
    """Each picture gets a line, in order; the exit code is 0 when all went well."""
    for name, data in (("a.jpg", pictures.jpeg()), ("b.png", pictures.png(30, 40))):
        (tmp_path / name).write_bytes(data)
    found = run("classify", "--json", "--top-k", "3", "a.jpg", "b.png")
    first, second = (json.loads(line) for line in found.stdout.splitlines())
    assert found.exit_code == 0
    assert (first["file"], second["file"]) == ("a.jpg", "b.png")
    assert first["model"] == {"name": "tiny", "version": "1"}
    assert len(first["classes"]) == 3
    assert second["image"] == {"format": "PNG", "width": 30, "height": 40}


def test_one_bad_file_does_not_stop_the_others(run, tmp_path):
    """Bad files are told by code, the others are classified, and the exit code is 1."""
    (tmp_path / "bad.png").write_bytes(pictures.forged_png(10, 10))
    (tmp_path / "good.png").write_bytes(pictures.png())
    found = run("classify", "--json", "bad.png", "gone.png", "good.png")
    bad, gone, good = (json.loads(line) for line in found.stdout.splitlines())
    assert found.exit_code == 1
    assert bad["code"] == "invalid_image"
    assert gone == {
        "file": "gone.png",
        "code": "unreadable_file",
        "detail": "No such file or directory",
    }
    assert good["classes"]


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


def test_classify_says_when_the_fallback_answers(run, tmp_path, tiny_folder):
    """Whoever reads the answer is told that another model gave it."""
    (tmp_path / "a.png").write_bytes(pictures.png())
    found = run(
        "classify", "--json", "a.png",
        TOPFIVE_MODEL=str(tmp_path / "missing"), TOPFIVE_FALLBACK_MODEL=str(tiny_folder),
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


def test_doctor_fails_where_the_model_cannot_be_loaded(run, tmp_path):
    """The exit code and the finding tell that the model is not ready, and why."""
    found = run("doctor", "--json", TOPFIVE_MODEL=str(tmp_path / "missing"))
    assert found.exit_code == 1
    model = json.loads(found.stdout)["model"]
    assert "not ready" in model["found"]
    assert "cannot be read" in model["why"]


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


def test_an_operators_error_is_one_plain_message(monkeypatch, capsys):
    """No traceback: one line on standard error, and exit code 1."""

    def fail() -> None:
        raise SettingsError("These settings are wrong.")

    monkeypatch.setattr(cli, "commands", fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == "Error: These settings are wrong.\n"
