"""Builds and runs images with docker or podman, as an operator does."""

import json
import os
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live_server import Answer, LiveServer

REPOSITORY = Path(__file__).parents[2]
BASE = "docker.io/library/python:3.11-slim-bookworm"
BUILD_WITHIN_S = 1200
START_WITHIN_S = 30
# As docker/compose.yaml and docs/DEPLOYMENT.md run it.
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")

# What .dockerignore lets through.
_CONTEXT = (
    "pyproject.toml",
    "README.md",
    "requirements.txt",
    "requirements-torch.txt",
    "requirements-s3.txt",
    "requirements-gcs.txt",
    "requirements-azure.txt",
    "requirements-history.txt",
    "requirements-postgresql.txt",
    "requirements-parquet.txt",
    "requirements-bulk.txt",
    "requirements-cluster.txt",
    "src",
)


@dataclass
class Engine:
    """docker or podman, and the command that builds: `BUILD... TAG ARGUMENTS... CONTEXT`."""

    command: str
    build_command: tuple[str, ...]

    def call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of the engine's commands."""
        done = subprocess.run(
            [self.command, *arguments], text=True, capture_output=True, check=False, timeout=120
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    def build(self, tag: str, context: Path, **arguments: str) -> str:
        """Build the default target of docker/Dockerfile; returns the tag."""
        given = [part for name, value in arguments.items() for part in _argument(name, value)]
        done = subprocess.run(
            [*self.build_command, tag, "-f", "docker/Dockerfile", *given, "."],
            cwd=context,
            env=os.environ | {"BUILDAH_LAYERS": "true"},
            text=True,
            capture_output=True,
            check=False,
            timeout=BUILD_WITHIN_S,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return tag

    def inspect_image(self, tag: str) -> Any:
        """Return what the engine says of an image."""
        return json.loads(self.call("image", "inspect", tag).stdout)[0]

    def size_above_base_bytes(self, tag: str) -> int:
        """Sum up the layers above the Python base image, unpacked."""
        return int(self.inspect_image(tag)["Size"] - self.inspect_image(BASE)["Size"])

    @contextmanager
    def running(
        self, tag: str, *options: str, tmpfs: str = "/tmp", **settings: str
    ) -> Iterator["Container"]:
        """Run an image until the block ends, once it answers; TOPFIVE_ is put before settings."""
        name = f"topfive-test-{uuid.uuid4().hex[:8]}"
        given = {"RATE_LIMIT": "", **{key.upper(): value for key, value in settings.items()}}
        variables = [f"--env=TOPFIVE_{key}={value}" for key, value in given.items()]
        container = Container(self, name)
        begun_s = time.monotonic()
        try:
            self.call(
                "run", "--detach", "--name", name, "--publish=127.0.0.1::5000",
                *HARDENED, f"--tmpfs={tmpfs}", *options, *variables, tag,
            )  # fmt: skip
            container.wait_until_ready()
            container.ready_after_s = time.monotonic() - begun_s
            yield container
        finally:
            self.call("rm", "--force", name, check=False)


@dataclass
class Container:
    """A running container and how to talk to it."""

    engine: Engine
    name: str
    ready_after_s: float = 0.0
    inner_port: int = 5000

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 that leads to it."""
        return int(self.engine.call("port", self.name, str(self.inner_port)).stdout.split(":")[-1])

    @property
    def server(self) -> LiveServer:
        """A client of it."""
        return LiveServer(None, url=f"http://127.0.0.1:{self.port}")  # type: ignore[arg-type]

    def run_python(self, code: str, *options: str) -> str:
        """Run Python code inside; returns what it prints."""
        return self.engine.call("exec", *options, self.name, "python", "-c", code).stdout.strip()

    def stop(self) -> int:
        """Stop it as an operator does; returns its exit code."""
        self.engine.call("stop", "--time=45", self.name)
        return int(self.engine.call("inspect", "--format={{.State.ExitCode}}", self.name).stdout)

    def wait_until_ready(self) -> None:
        """Wait until /readyz answers 200."""
        end_s = time.monotonic() + START_WITHIN_S
        while time.monotonic() < end_s:
            answer = self._ask()
            if answer is not None and answer.status == 200:
                return
            time.sleep(0.02)
        logs = self.engine.call("logs", self.name, check=False)
        raise AssertionError(f"the container did not start: {logs.stdout}{logs.stderr}")

    def _ask(self) -> Answer | None:
        try:
            return self.server.get("/readyz")
        except (OSError, ValueError):
            return None


def find_engine() -> Engine | None:
    """Find docker or podman, if it works here; CONTAINER_BUILD names another command to build."""
    command = next((name for name in ("docker", "podman") if _works(name)), None)
    if command is None:
        return None
    build = os.environ.get("CONTAINER_BUILD", f"{command} build --tag")
    return Engine(command, tuple(shlex.split(build)))


def copy_context(folder: Path) -> Path:
    """Copy what a build needs, so that weights can be put beside it; returns the copy."""
    for name in _CONTEXT:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy2(source, folder / name)
    (folder / "docker" / "weights").mkdir(parents=True)
    for source in (REPOSITORY / "docker").iterdir():
        if source.is_file():
            shutil.copy2(source, folder / "docker" / source.name)
    shutil.copy2(REPOSITORY / "docker/weights/.gitignore", folder / "docker/weights/.gitignore")
    shutil.copy2(REPOSITORY / ".dockerignore", folder / ".dockerignore")
    return folder


def _works(command: str) -> bool:
    # The client alone may be here, without the service that it talks to.
    return (
        shutil.which(command) is not None
        and subprocess.run([command, "info"], capture_output=True, check=False).returncode == 0
    )


def _argument(name: str, value: str) -> tuple[str, str]:
    return "--build-arg", f"{name}={value}"
