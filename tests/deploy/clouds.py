"""Runs the scripts of deploy/ where no cloud is: without its command, or with one that notes."""

import base64
import gzip
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")

DEPLOY = Path(__file__).parents[2] / "deploy"
CLOUD_INIT = DEPLOY / "cloud-init.yaml"

_SERVICE = ("--source", "https://git.example.org/topfive.git", "--ref", "v0.1.0")
# What each script cannot do without.
NEEDED = {
    "aws-ec2/deploy.sh": ("--region", "eu-central-1", *_SERVICE),
    "aws-ec2/destroy.sh": ("--region", "eu-central-1"),
    "azure-vm/deploy.sh": ("--location", "germanywestcentral", *_SERVICE),
    "azure-vm/destroy.sh": (),
    "gcp-gce/deploy.sh": ("--project", "my-project", "--zone", "europe-west3-a", *_SERVICE),
    "gcp-gce/destroy.sh": ("--project", "my-project", "--zone", "europe-west3-a"),
}
COMMANDS = {"aws-ec2": "aws", "azure-vm": "az", "gcp-gce": "gcloud"}
DEPLOYING = [script for script in NEEDED if script.endswith("/deploy.sh")]
DESTROYING = [script for script in NEEDED if script.endswith("/destroy.sh")]

_TOOLS = ("awk", "base64", "bash", "cat", "cp", "dirname", "env", "gzip", "mktemp", "rm")
_TOOLS += ("ssh-keygen", "touch", "tr")
_RECORDER = """#!/usr/bin/env bash
# Notes each call and the files that go with it. A thing is there once it was created, or if all is.
printf '%s\\n' "$*" >>"$NOTES/calls"
cp -a "$TMPDIR/." "$NOTES/files"
thing=
while [ $# -gt 0 ]; do
  case $1 in
    create | deploy) touch "$NOTES/things/$thing $2"; exit ;;
    describe | describe-stacks | show)
      case $thing in *account | *projects) exit ;; esac
      [ -e "$NOTES/things/$thing $2" ] || [ -n "$ALL_THERE" ] || exit 1
      printf '%s\\n' "$ANSWER"; exit ;;
  esac
  thing="$thing $1"
  shift
done
printf '%s\\n' "$ANSWER"
"""


def need_tool(name: str) -> str:
    """Return where a program is; skips the test where it is not."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def assert_quiet(*command: str | Path) -> None:
    """Run a checker, and show what it says where it finds something."""
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Outcome:
    """How a script ended, what it said, and what it asked of its cloud's command."""

    status: int
    output: str
    errors: str
    notes: Path

    @property
    def calls(self) -> list[str]:
        """List the calls of the cloud's command, without its name."""
        path = self.notes / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def find_file(self, name: str) -> Path:
        """Return a file that lay in the script's own folder while it ran."""
        (found,) = (self.notes / "files").glob(f"*/{name}")
        return found


class Cloud:
    """A machine that has no cloud's command, or the given one, which takes notes."""

    def __init__(self, folder: Path) -> None:
        self.scratch, self.notes, self.tools = folder / "tmp", folder / "notes", folder / "bin"
        for path in (self.scratch, self.notes / "files", self.notes / "things", self.tools):
            path.mkdir(parents=True)
        for tool in _TOOLS:
            (self.tools / tool).symlink_to(need_tool(tool))

    def offer(self, script: str) -> None:
        """Put the command in place that a script speaks to."""
        command = self.tools / COMMANDS[script.partition("/")[0]]
        command.write_text(_RECORDER)
        command.chmod(0o755)

    def run(
        self, script: str, *arguments: str, answer: str = "yes", all_there: bool = False
    ) -> Outcome:
        """Run a script of deploy/ with nobody at the terminal."""
        done = subprocess.run(
            [str(DEPLOY / script), *arguments],
            env={
                "PATH": str(self.tools),
                "TMPDIR": str(self.scratch),
                "NOTES": str(self.notes),
                "ANSWER": answer,
                "ALL_THERE": "yes" if all_there else "",
            },
            stdin=subprocess.DEVNULL,
            text=True,
            capture_output=True,
            check=False,
            timeout=20,
        )
        return Outcome(done.returncode, done.stdout, done.stderr, self.notes)


def user_data_of(script: str, outcome: Outcome) -> str:
    """Return the cloud-config that a deploy.sh handed to its cloud."""
    if script.startswith("aws"):
        given = json.loads(outcome.find_file("parameters.json").read_text())
        parameters = dict(one.split("=", 1) for one in given)
        packed = "".join(parameters[f"UserData{number}"] for number in range(1, 5))
        return gzip.decompress(base64.b64decode(packed)).decode()
    return outcome.find_file("cloud-init.yaml").read_text()


def machine_files(cloud_config: str) -> dict[str, dict[str, Any]]:
    """Return the files that a cloud-config writes, by their path."""
    return {one["path"]: one for one in yaml.safe_load(cloud_config)["write_files"]}


# Notes each call, and fails where it is told to.
_STANDING_IN = """#!/bin/sh
call="${0##*/} $*"
echo "$call" >>"$CALLS"
case "$call" in *"$FAILING"*) exit 1 ;; esac
"""


class MachineFolder:
    """The scripts that cloud-init.yaml leaves on a machine, at work in a folder."""

    def __init__(self, folder: Path, source: Path, failing: str = "nothing") -> None:
        self.folder = folder
        self._environment = os.environ | {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "CALLS": str(folder / "calls"),
            "FAILING": failing,
        }
        for path in ("bin", "run", "etc/topfive", "opt", "usr/local/sbin"):
            (folder / path).mkdir(parents=True)
        for path, one in machine_files(CLOUD_INIT.read_text()).items():
            if path.startswith(("/etc/topfive/", "/usr/local/sbin/")):
                self._place(path, one["content"].replace("@@TOPFIVE_SOURCE@@", str(source)))
        for name in ("docker", "systemctl"):
            self._place(f"/bin/{name}", _STANDING_IN)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of the machine's scripts."""
        script = self.folder / "usr/local/sbin" / command[0]
        return subprocess.run(
            [script, *command[1:]],
            env=self._environment
            | {"PATH": f"{self.folder}/usr/local/sbin:{self._environment['PATH']}"},
            text=True,
            capture_output=True,
            check=False,
            timeout=20,
        )

    def read(self, path: str) -> str:
        """Return what is in a file of the machine."""
        return (self.folder / path).read_text()

    def _place(self, path: str, text: str) -> None:
        """Write a file whose paths lead into the folder, with empty values for all that is left."""
        for place in ("/etc/topfive", "/opt/topfive", "/run/topfive"):
            text = text.replace(place, f"{self.folder}{place}")
        target = self.folder / path.lstrip("/")
        target.write_text(_without_placeholders(text))
        target.chmod(0o755)


def _without_placeholders(text: str) -> str:
    words = ("REF", "IMAGE", "LOGS", "DOMAIN", "API_KEYS", "RATE_LIMIT", "HISTORY_URL")
    others = ("LOG_REGION", "LOG_GROUP", "MODEL", "HISTORY", "COMPOSE_PROFILES")
    for word in (*(f"TOPFIVE_{word}" for word in words), *others):
        text = text.replace(f"@@{word}@@", "")
    return text
