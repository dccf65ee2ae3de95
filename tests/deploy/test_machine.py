"""What cloud-init.yaml makes of a machine is sound, and versions come and go on it."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.clouds import (
    CLOUD_INIT,
    DEPLOY,
    MachineFolder,
    assert_quiet,
    machine_files,
    need_tool,
    yaml,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A git repository with the tags v0.1.0 and v0.2.0."""
    need_tool("git")
    need_tool("flock")
    folder = tmp_path / "source"
    shutil.copytree(DEPLOY.parent / "docker", folder / "docker", ignore=lambda *_: ["weights"])
    _git(folder, "init", "--quiet")
    for tag in ("v0.1.0", "v0.2.0"):
        (folder / "VERSION").write_text(tag)
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message", tag)
        _git(folder, "tag", tag)
    return folder


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_cloud_config_is_valid() -> None:
    """cloud-init's own schema knows every key."""
    need_tool("cloud-init")
    assert_quiet("cloud-init", "schema", "--config-file", CLOUD_INIT)


def test_scripts_in_the_cloud_config_are_clean(tmp_path: Path) -> None:
    """What the machine runs passes shellcheck."""
    need_tool("shellcheck")
    scripts = [
        one
        for one in machine_files(CLOUD_INIT.read_text()).values()
        if one["content"].startswith("#!")
    ]
    assert len(scripts) == 3
    for one in scripts:
        path = tmp_path / Path(one["path"]).name
        path.write_text(one["content"])
        # What they source is on the machine alone.
        assert_quiet("shellcheck", "--exclude=SC1090,SC1091,SC2154", path)


def test_what_is_filled_in_lies_in_private_files() -> None:
    """Files with placeholders are the owner's alone; all placeholders are in them."""
    files = machine_files(CLOUD_INIT.read_text())
    filled = {path for path, one in files.items() if re.search(r"@@[A-Z_]+@@", one["content"])}
    assert filled == {"/etc/topfive/machine.env", "/etc/topfive/first.env"}
    assert {files[path]["permissions"] for path in filled} == {"0600"}


def test_first_settings_are_ones_that_something_reads() -> None:
    """Each line of first.env is a setting of topfive's, or a variable of docker/compose.yaml."""
    from topfive.settings import Settings, variable_name

    first = machine_files(CLOUD_INIT.read_text())["/etc/topfive/first.env"]["content"]
    compose = (DEPLOY.parent / "docker" / "compose.yaml").read_text()
    known = {variable_name(field) for field in Settings.model_fields}
    known |= {"COMPOSE_PROFILES", *re.findall(r"\$\{(\w+)", compose)}
    assert set(re.findall(r"^(\w+)=", first, re.MULTILINE)) - known == set()


def test_a_machine_upgrades_and_goes_back(source: Path, tmp_path: Path) -> None:
    """topfive-deploy serves a version, another one, and with --rollback the first again."""
    machine = MachineFolder(tmp_path / "machine", source)
    images = []
    for arguments in (["--ref", "v0.1.0"], ["--ref", "v0.2.0"], ["--rollback"]):
        done = machine.run("topfive-deploy", *arguments)
        assert done.returncode == 0, done.stderr
        (image,) = re.findall("SERVICE_IMAGE='(.*)'", machine.read("etc/topfive/release"))
        images.append(image)
    assert images[0] == images[2] != images[1]
    assert machine.read("opt/topfive/VERSION") == "v0.1.0"
    private = [*(tmp_path / "machine/etc/topfive").glob("release*")]
    private.append(tmp_path / "machine/opt/topfive/.env")
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_a_machine_keeps_its_settings(source: Path, tmp_path: Path) -> None:
    """What was changed in .env is still there after another version has come."""
    machine = MachineFolder(tmp_path / "machine", source)
    machine.run("topfive-deploy", "--ref", "v0.1.0")
    settings = tmp_path / "machine/opt/topfive/.env"
    settings.write_text("TOPFIVE_RATE_LIMIT=5/minute\n")
    assert machine.run("topfive-deploy", "--ref", "v0.2.0").returncode == 0
    assert settings.read_text() == "TOPFIVE_RATE_LIMIT=5/minute\n"


def test_each_machine_has_a_password_of_its_own(source: Path, tmp_path: Path) -> None:
    """That of a database on the machine is made there, once, and lies in .env alone."""
    made = []
    for name in ("one", "two"):
        machine = MachineFolder(tmp_path / name, source)
        for tag in ("v0.1.0", "v0.2.0"):
            assert machine.run("topfive-deploy", "--ref", tag).returncode == 0
        made += re.findall(
            "^HISTORY_PASSWORD=(.*)$", machine.read("opt/topfive/.env"), re.MULTILINE
        )
    assert len(made) == len(set(made)) == 2
    assert all(re.fullmatch("[0-9a-f]{48}", one) for one in made)


@pytest.mark.parametrize(
    ("arguments", "failing"), [(("--ref", "v9"), "nothing"), (("--image", "a/b:1"), "docker pull")]
)
def test_a_version_that_cannot_be_had_changes_nothing(
    source: Path, tmp_path: Path, arguments: tuple[str, str], failing: str
) -> None:
    """Without the source or the image the machine stays with what it serves."""
    machine = MachineFolder(tmp_path / "machine", source, failing)
    machine.run("topfive-deploy", "--ref", "v0.1.0")
    before = machine.read("etc/topfive/release")
    assert machine.run("topfive-deploy", *arguments).returncode != 0
    assert machine.read("etc/topfive/release") == before


def test_an_image_that_is_not_there_is_built(source: Path, tmp_path: Path) -> None:
    """Without --image the machine builds one, called by the commit, before it serves."""
    machine = MachineFolder(tmp_path / "machine", source, failing="docker image inspect")
    assert machine.run("topfive-deploy", "--ref", "v0.1.0").returncode == 0
    calls = machine.read("calls")
    assert -1 < calls.find(" build topfive\n") < calls.find(" up --detach --no-build ")


def test_a_prebuilt_image_is_pulled_and_not_built(source: Path, tmp_path: Path) -> None:
    """With --image nothing is built on the machine."""
    machine = MachineFolder(tmp_path / "machine", source)
    done = machine.run("topfive-deploy", "--ref", "v0.1.0", "--image", "ghcr.io/you/topfive:1")
    assert done.returncode == 0, done.stderr
    calls = machine.read("calls")
    assert "docker pull --quiet ghcr.io/you/topfive:1" in calls
    assert "compose build" not in calls
    assert "build topfive" not in calls


@pytest.mark.parametrize(
    "path", sorted(DEPLOY.glob("*/compose.*.yaml")), ids=lambda path: path.stem
)
def test_log_drivers_are_for_services_that_are_there(path: Path) -> None:
    """Compose files of a cloud change the logging of known services, and never block them."""
    compose = yaml.safe_load((DEPLOY.parent / "docker" / "compose.yaml").read_text())
    services = yaml.safe_load(path.read_text())["services"]
    assert set(services) - set(compose["services"]) == set()
    assert "topfive" in services
    for one in services.values():
        assert set(one) == {"logging"}
        assert one["logging"]["options"]["mode"] == "non-blocking"
