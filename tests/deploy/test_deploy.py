"""The scripts that turn a cloud account into a service, as far as that shows without a cloud."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.clouds import (
    COMMANDS,
    DEPLOY,
    DEPLOYING,
    DESTROYING,
    NEEDED,
    Cloud,
    assert_quiet,
    machine_files,
    need_tool,
    user_data_of,
)

SCRIPTS = sorted([*DEPLOY.glob("*.sh"), *DEPLOY.glob("*/*.sh")])
DIGEST = "0" * 64
MACHINE_MADE = "instances create|vm create|--parameter-overrides"


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """A machine without any cloud's command."""
    return Cloud(tmp_path)


def test_scripts_are_clean() -> None:
    """They pass shellcheck."""
    need_tool("shellcheck")
    assert_quiet("shellcheck", "--external-sources", *SCRIPTS)


def test_scripts_can_be_started() -> None:
    """All but steps.sh, which is only read by the others, are executable and known here."""
    started = {str(path.relative_to(DEPLOY)) for path in SCRIPTS if os.access(path, os.X_OK)}
    assert started == set(NEEDED)


@pytest.mark.parametrize("script", NEEDED)
def test_dry_run_prints_commands_and_needs_none(cloud: Cloud, script: str) -> None:
    """Without the cloud's command --dry-run says what it would run, and leaves nothing behind."""
    outcome = cloud.run(script, *NEEDED[script], "--dry-run")
    assert (outcome.status, outcome.errors) == (0, "")
    command = COMMANDS[script.partition("/")[0]]
    assert re.search(rf"^\+ {command} .*(deploy|create|delete)", outcome.output, re.MULTILINE)
    assert list(cloud.scratch.iterdir()) == []


def test_commands_in_the_documentation_are_right(cloud: Cloud) -> None:
    """Each call of a script in docs/DEPLOYMENT.md is one that the script takes."""
    text = (DEPLOY.parent / "docs" / "DEPLOYMENT.md").read_text().replace("\\\n", "")
    calls = [line.split() for line in re.findall(r"^deploy/(\S+\.sh.*)$", text, re.MULTILINE)]
    assert {script for script, *_ in calls} == set(NEEDED)
    for script, *arguments in calls:
        given = [re.sub("^DIGEST", DIGEST, word) for word in arguments]
        outcome = cloud.run(script, *given, "--dry-run")
        assert (outcome.status, outcome.errors) == (0, "")


@pytest.mark.parametrize("script", NEEDED)
def test_dry_run_runs_nothing(cloud: Cloud, script: str) -> None:
    """Where the cloud's command is there, --dry-run does not call it."""
    cloud.offer(script)
    assert cloud.run(script, *NEEDED[script], "--dry-run").calls == []


@pytest.mark.parametrize("script", NEEDED)
def test_help_names_every_option(cloud: Cloud, script: str) -> None:
    """--help ends with 0 and tells of each option that the script reads."""
    outcome = cloud.run(script, "--help")
    assert (outcome.status, outcome.errors) == (0, "")
    read = set(re.findall(r"^ +(--[a-z-]+)\)", (DEPLOY / script).read_text(), re.MULTILINE))
    if "take_service_option" in (DEPLOY / script).read_text():
        read |= {"--source", "--ref", "--image", "--model", "--domain", "--api-keys", "--history"}
        read.add("--disk-gb")
    assert {option for option in read | {"--name"} if option not in outcome.output} == set()


@pytest.mark.parametrize("script", NEEDED)
def test_a_missing_command_is_named(cloud: Cloud, script: str) -> None:
    """Without --dry-run and without the cloud's command the script says where to get it."""
    outcome = cloud.run(script, *NEEDED[script])
    assert outcome.status == 1
    assert "is not installed. Get it: https://" in outcome.errors


@pytest.mark.parametrize("script", NEEDED)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--nonsense", "1"], "there is no option --nonsense"),
        (["--name"], "--name needs a value"),
        (["--name", "Bad Name"], '"Bad Name"'),
        (["topfive"], '"topfive" is not an option'),
    ],
)
def test_wrong_arguments_are_refused(
    cloud: Cloud, script: str, wrong: list[str], words: str
) -> None:
    """Every script ends with 2, says what is wrong, and points to --help."""
    outcome = cloud.run(script, *NEEDED[script], "--dry-run", *wrong)
    assert outcome.status == 2, outcome.output
    assert words in outcome.errors
    assert "--help" in outcome.errors


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--source", "https://me:secret@git.example.org/topfive.git"], "a user or a password"),
        (["--source", "git.example.org/topfive"], "https://"),
        (["--ref", "main"], "name a tag or a whole commit"),
        (["--ref", "v1'; reboot; '"], "name a tag or a whole commit"),
        (["--image", "ghcr.io/you/topfive"], "with a tag or digest"),
        (["--domain", "https://pictures.example.org"], "without https://"),
        (["--domain", "pictures.example.org\nMODEL=x"], "without https://"),
        (["--api-keys", "my-own-key"], "and not the keys"),
        (["--rate-limit", "fast"], "such as 100/minute"),
        (["--disk-gb", "8"], "20 or more"),
        (["--history", "mysql"], "sqlite or postgresql"),
        (["--model", "vgg"], "one that docs/architectures.md lists"),
        (["--model", "VGG-16"], "one that docs/architectures.md lists"),
    ],
)
def test_values_that_make_no_sense_are_refused(cloud: Cloud, wrong: list[str], words: str) -> None:
    """deploy.sh ends with 2 and says what would be right; all three check with the same code."""
    outcome = cloud.run(DEPLOYING[0], *NEEDED[DEPLOYING[0]], "--dry-run", *wrong)
    assert outcome.status == 2, outcome.output
    assert words in outcome.errors


@pytest.mark.parametrize("script", DEPLOYING)
def test_a_password_is_never_handed_on(cloud: Cloud, script: str) -> None:
    """Every deploy.sh refuses a source that holds one, and does not repeat it."""
    wrong = ("--source", "https://me:secret@git.example.org/topfive.git")
    outcome = cloud.run(script, *NEEDED[script], "--dry-run", *wrong)
    assert outcome.status == 2
    assert "secret" not in outcome.output + outcome.errors


@pytest.mark.parametrize("script", [script for script in NEEDED if NEEDED[script]])
def test_what_is_needed_is_asked_for(cloud: Cloud, script: str) -> None:
    """Without its arguments a script ends with 2 and names the first that is missing."""
    outcome = cloud.run(script, "--dry-run")
    assert outcome.status == 2
    assert re.search("--[a-z]+ is missing: ", outcome.errors)


@pytest.mark.parametrize("script", DEPLOYING)
def test_the_machine_gets_a_whole_cloud_config(cloud: Cloud, script: str) -> None:
    """All placeholders are filled in; what was asked for is in it; the files here were private."""
    cloud.offer(script)
    wanted = ["--domain", "pictures.example.org", "--api-keys", f"{DIGEST}:predict+admin"]
    outcome = cloud.run(script, *NEEDED[script], *wanted)
    assert outcome.status == 0, outcome.errors
    files = machine_files(user_data_of(script, outcome))
    assert [path for path, one in files.items() if re.search("@@[A-Z_]+@@", one["content"])] == []
    first = files["/etc/topfive/first.env"]["content"]
    assert "TOPFIVE_DOMAIN=pictures.example.org\n" in first
    assert f"TOPFIVE_API_KEYS={DIGEST}:predict+admin\n" in first
    machine = files["/etc/topfive/machine.env"]["content"]
    assert f"TOPFIVE_LOGS='{script.partition('-')[0]}'" in machine
    (folder,) = (outcome.notes / "files").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(cloud.scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "url", "profiles"),
    [
        ("sqlite", "sqlite:////history/history.db", ""),
        ("postgresql", "postgresql://topfive@postgres/topfive", "postgres"),
    ],
)
def test_a_history_is_asked_for_by_its_kind(
    cloud: Cloud, kind: str, url: str, profiles: str
) -> None:
    """--history sets what Compose and topfive need; all three scripts share the code."""
    script = DEPLOYING[0]
    cloud.offer(script)
    outcome = cloud.run(script, *NEEDED[script], "--history", kind)
    first = machine_files(user_data_of(script, outcome))["/etc/topfive/first.env"]["content"]
    wanted = (f"HISTORY={kind}", f"TOPFIVE_HISTORY_URL={url}", f"COMPOSE_PROFILES={profiles}")
    assert [line for line in wanted if line not in first.splitlines()] == []


@pytest.mark.parametrize("script", DEPLOYING)
def test_deploying_again_makes_no_second_machine(cloud: Cloud, script: str) -> None:
    """Where all is there, no machine is made and none is given new first settings."""
    cloud.offer(script)
    outcome = cloud.run(script, *NEEDED[script], all_there=True)
    assert outcome.status == 0, outcome.errors
    made = [call for call in outcome.calls if re.search(MACHINE_MADE, call)]
    if script.startswith("aws"):
        given = outcome.find_file("parameters.json").read_text()
        assert not re.search("UserData|ImageId|DiskGb|KeyName", given)
    else:
        assert made == []


@pytest.mark.parametrize("script", DESTROYING)
def test_nothing_is_deleted_unasked(cloud: Cloud, script: str) -> None:
    """With nobody there to ask, and without --yes, a destroy.sh deletes nothing."""
    cloud.offer(script)
    outcome = cloud.run(script, *NEEDED[script], all_there=True)
    assert outcome.status == 2
    assert "say --yes" in outcome.errors
    assert [call for call in outcome.calls if "delete" in call] == []


@pytest.mark.parametrize("script", DESTROYING)
def test_destroying_deletes(cloud: Cloud, script: str) -> None:
    """With --yes a destroy.sh deletes what deploy.sh of the same cloud made."""
    cloud.offer(script)
    outcome = cloud.run(script, *NEEDED[script], "--yes", all_there=True)
    assert outcome.status == 0, outcome.errors
    assert [call for call in outcome.calls if "delete" in call] != []


def test_a_resource_group_of_someone_else_is_left_alone(cloud: Cloud) -> None:
    """azure-vm neither uses nor deletes a group that it did not make."""
    for script in ("azure-vm/deploy.sh", "azure-vm/destroy.sh"):
        cloud.offer(script)
        outcome = cloud.run(script, *NEEDED[script], answer="no", all_there=True)
        assert outcome.status == 1
        assert re.search("did not make", outcome.errors)
        assert [call for call in outcome.calls if re.search("create|delete", call)] == []


def test_everything_that_gcp_makes_is_taken_away(cloud: Cloud) -> None:
    """gcp-gce/destroy.sh names each thing that deploy.sh creates, and both roles."""
    made = cloud.run("gcp-gce/deploy.sh", *NEEDED["gcp-gce/deploy.sh"], "--dry-run").output
    gone = cloud.run("gcp-gce/destroy.sh", *NEEDED["gcp-gce/destroy.sh"], "--dry-run").output
    things = re.findall(r"^\+ gcloud ([\w -]+?) create (\S+)", made, re.MULTILINE)
    assert len(things) == 7
    assert [
        one for one in things if f"+ gcloud {one[0]} delete {one[1].split('@')[0]}" not in gone
    ] == []
    roles = {"roles/logging.logWriter", "roles/monitoring.metricWriter"}
    assert set(re.findall("--role (\\S+)", made)) == set(re.findall("--role (\\S+)", gone)) == roles


def test_values_are_filled_in_as_they_are() -> None:
    """Nothing in a value has a meaning of its own, and unknown words stay."""
    value = r"a&b\1/$x|'\\n"
    done = subprocess.run(
        [
            "bash",
            "-c",
            '. "$0/steps.sh"; printf "%s\\n" "<@@WORD@@> @@UNKNOWN@@" | fill_in',
            DEPLOY,
        ],
        env={"PATH": os.environ["PATH"], "WORD": value},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == f"<{value}> @@UNKNOWN@@\n"
