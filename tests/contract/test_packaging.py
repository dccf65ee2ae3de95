"""What an installation brings: the client needs httpx alone, the command says what it misses."""

import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from venv import EnvBuilder

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    """List what is required, by its name."""
    return {Requirement(one).name for one in requirements}


def test_the_client_brings_httpx_and_pins_nothing() -> None:
    """A program with a httpx of its own can have the client beside it."""
    assert PROJECT["dependencies"] == []
    (only,) = map(Requirement, EXTRAS["client"])
    assert only.name == "httpx"
    assert "==" not in str(only.specifier)
    assert distribution("httpx").version in only.specifier


def test_every_other_extra_brings_the_service() -> None:
    """Whoever asks for the torch engine or a store gets the service with it."""
    others = EXTRAS.keys() - {"client", "serve"}
    assert [name for name in others if "topfive" not in names(EXTRAS[name])] == []
    assert "httpx" in names(EXTRAS["serve"])


def test_what_is_pinned_is_what_serving_needs() -> None:
    """requirements.txt has each package of the extra `serve`, in the same version."""
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    assert [one for one in EXTRAS["serve"] if one not in pinned] == []


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that has topfive, httpx and what that needs alone."""
    folder = tmp_path_factory.mktemp("bare")
    EnvBuilder(symlinks=True, with_pip=False).create(folder)
    python = folder / "bin" / "python"
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    site = Path(paths["purelib"])
    for name in needed_by("httpx"):
        link_package(name, site)
    metadata = Path(str(distribution("topfive").locate_file("")))
    for found in metadata.glob("topfive-*.dist-info"):
        (site / found.name).symlink_to(found)
    (site / "topfive").symlink_to(ROOT / "src" / "topfive")
    return python


def needed_by(name: str) -> set[str]:
    """List a package and all that it needs here, without its extras."""
    found, waiting = set[str](), [name]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        required = map(Requirement, distribution(one).requires or [])
        waiting += [
            each.name
            for each in required
            if each.marker is None or each.marker.evaluate({"extra": ""})
        ]
    return found


def link_package(name: str, site: Path) -> None:
    """Make an installed package visible in another environment."""
    package = distribution(name)
    for top in {file.parts[0] for file in package.files or [] if file.parts[0] != ".."}:
        source = Path(str(package.locate_file(top)))
        if source.exists() and top != "__pycache__":
            (site / top).symlink_to(source)


def run(python: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run that Python, apart from what this one can import."""
    return subprocess.run(
        [str(python), "-I", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_client_works_beside_httpx_alone(bare: Path) -> None:
    """It is imported and used without any package of the service, in both kinds."""
    program = """
import asyncio, sys
from topfive.client import AsyncClient, Client, Unreachable

with Client("http://127.0.0.1:1", retries=0) as client:
    try:
        client.health()
    except Unreachable as error:
        print(error.code)

async def ask():
    async with AsyncClient("http://127.0.0.1:1", retries=0) as client:
        try:
            await client.predict(b"photo")
        except Unreachable as error:
            print(error.code)

asyncio.run(ask())
print(sorted(name for name in sys.modules if name.startswith("topfive.") and "client" not in name))
"""
    done = run(bare, "-W", "error", "-c", program)
    assert (done.stdout.splitlines(), done.stderr) == (["unreachable", "unreachable", "[]"], "")
    assert run(bare, "-c", "import flask").returncode == 1


def test_the_command_says_what_it_misses(bare: Path) -> None:
    """Where only the client was installed, `topfive` names the extra to install."""
    done = run(bare, "-m", "topfive", "serve")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: the package ")
    assert "topfive[serve]" in done.stderr


def test_the_installed_command_is_that_one() -> None:
    """The script that pip makes says so too."""
    assert PROJECT["scripts"] == {"topfive": "topfive.__main__:main"}
    done = run(Path(sys.executable), "-m", "topfive", "--version")
    assert done.stdout.startswith("topfive, version")
