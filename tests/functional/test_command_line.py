"""The `topfive` command as a person runs it."""

import json
import re
from pathlib import Path

import pytest

from tests.functional.start import run_topfive as topfive
from tests.live_server import LiveServer
from tests.pictures import jpeg


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pictures, one file that is none, and one that is empty."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "one.jpg").write_bytes(jpeg(seed=1))
    (folder / "two.jpg").write_bytes(jpeg(seed=2))
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.jpg").write_bytes(b"")
    return folder


@pytest.mark.parametrize("command", [[], ["serve"], ["pull"], ["classify"], ["doctor"]])
def test_help_explains_every_command(tmp_path: Path, command: list[str]) -> None:
    """--help works for all commands, says how to use them, and needs no model."""
    done = topfive(tmp_path, *command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: topfive")
    assert not list(tmp_path.iterdir())


def test_version_is_told(tmp_path: Path) -> None:
    """--version gives the name and the version."""
    done = topfive(tmp_path, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("topfive")


def test_doctor_shows_a_table(tmp_path: Path, tiny_folder: Path) -> None:
    """Doctor says what would be chosen here, and exits with 0 where the model can serve."""
    done = topfive(tmp_path, "doctor", model=str(tiny_folder))
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("processor", "memory", "engine", "workers x slots", "tiny 1"):
        assert word in done.stdout


def test_doctor_as_json_finds_the_missing_model(tmp_path: Path) -> None:
    """With --json each finding is a pair, and a model that is not there means exit code 1."""
    done = topfive(tmp_path, "doctor", "--json", model="resnet50")
    assert (done.returncode, done.stderr) == (1, "")
    findings = json.loads(done.stdout)
    assert all(one.keys() == {"found", "why"} for one in findings.values())
    assert findings["model"]["found"] == "resnet50: not ready"
    assert findings["next steps"]["found"] == ["Make the model: topfive pull resnet50"]


def test_doctor_ends_with_what_to_do_next(
    tmp_path: Path, tiny_folder: Path, server: LiveServer
) -> None:
    """Where all is well it names the command that serves; a taken port has its owner and another.

    It shows the port, the GPU, the fallback, the limits and where the log is.
    """
    done = topfive(tmp_path, "doctor", model=str(tiny_folder))
    assert done.stdout.endswith("\nNext:\n- Everything is ready: topfive serve\n")
    taken = topfive(tmp_path, "doctor", model=str(tiny_folder), port=str(server.port))
    steps = taken.stdout.partition("\nNext:\n")[2]
    assert re.match(rf"- Port {server.port} is taken by process {server.process.pid} ", steps)
    assert re.search(r"TOPFIVE_PORT=\d+$", steps)
    found = json.loads(topfive(tmp_path, "doctor", "--json", rate_limit="5/minute").stdout)
    assert found["port"]["found"] == "any free one"
    assert found["log"]["found"] == "json on standard output, level info"
    for about, value in (
        ("fallback", "none"), ("largest upload", "10 MiB"), ("largest picture", "25 megapixels"),
        ("time limit", "30 s"), ("rate limit", "5/minute"),
    ):  # fmt: skip
        assert found[about]["found"] == value
    assert "torch" in found["GPU"]["why"]


def test_classify_prints_tables(tmp_path: Path, tiny_folder: Path, pictures: Path) -> None:
    """Each picture gets its name and its classes, as many as asked for."""
    names = [str(pictures / "one.jpg"), str(pictures / "two.jpg")]
    done = topfive(tmp_path, "classify", "--top-k", "2", *names, model=str(tiny_folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in names)
    assert done.stdout.count("%") == 4


def test_classify_agrees_with_the_server(
    tmp_path: Path, tiny_folder: Path, pictures: Path, server: LiveServer
) -> None:
    """The same picture gets the same answer on the command line and over HTTP."""
    file = pictures / "one.jpg"
    done = topfive(tmp_path, "classify", "--json", str(file), model=str(tiny_folder))
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["file"] == str(file)
    answer = server.upload(file.read_bytes()).json
    assert list(found) == ["file", *answer]
    assert found["image"] == answer["image"]
    local, served = found["predictions"], answer["predictions"]
    assert [one["class_id"] for one in local] == [one["class_id"] for one in served]
    assert [one["confidence"] for one in local] == pytest.approx(
        [one["confidence"] for one in served], abs=1e-3
    )


def test_bad_file_does_not_stop_the_others(
    tmp_path: Path, tiny_folder: Path, pictures: Path
) -> None:
    """Every file gets its line, in order, and the exit code is 1 if any could not be read."""
    names = ["one.jpg", "text.jpg", "missing.jpg", "empty.jpg", "two.jpg"]
    paths = [str(pictures / name) for name in names]
    done = topfive(tmp_path, "classify", "--json", *paths, model=str(tiny_folder))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == paths
    assert [line.get("code") for line in lines] == [
        None,
        "unsupported_format",
        "unreadable_file",
        "empty_file",
        None,
    ]


def test_classify_without_a_model_says_so(tmp_path: Path, pictures: Path) -> None:
    """Where the model is missing the command fails in plain words."""
    done = topfive(tmp_path, "classify", str(pictures / "one.jpg"), model="resnet50")
    assert done.returncode == 1
    assert "resnet50" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["nothing", "../mobilenet_v2"])
def test_pull_of_an_unknown_name_is_one_plain_line(tmp_path: Path, name: str) -> None:
    """A model that nobody knows is refused in one line that says where those there are stand."""
    done = topfive(tmp_path, "pull", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "mobilenet_v2" in done.stderr
    assert "docs/architectures.md" in done.stderr
    assert not list(tmp_path.iterdir())


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    """An option that does not exist is told apart from something that went wrong."""
    done = topfive(tmp_path, "classify", "--no-such-option", "x.jpg")
    assert done.returncode == 2


def test_every_bad_setting_is_named_and_no_secret(tmp_path: Path) -> None:
    """All wrong and unknown variables are told at once, without the keys that were given."""
    wrong = {
        "port": "no-port",
        "workers": "0",
        "slots": "many",
        "queue": "-1",
        "engine": "steam",
        "max_pixels": "1e99",
        "request_timeout_s": "0",
        "rate_limit": "often",
        "log_level": "loud",
        "api_keys": "my-secret-key",
        "api_keyz": "1",
    }
    done = topfive(tmp_path, "serve", **wrong)
    assert (done.returncode, done.stdout) == (2, "")
    for name in wrong:
        assert f"TOPFIVE_{name.upper()}" in done.stderr
    assert "my-secret-key" not in done.stderr
    assert "Traceback" not in done.stderr
