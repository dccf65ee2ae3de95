"""`make`: its targets are documented, and torch is taken with CUDA where that is asked for."""

import re
import shutil
from pathlib import Path
from subprocess import run

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def make(folder: Path, *arguments: str) -> str:
    """Run `make` with commands in place of Python and pip that only print; returns the output."""
    stand_ins = ("PYTHON=echo python", "PIP=echo pip")
    done = run(
        ["make", "--no-print-directory", *stand_ins, *arguments],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that setting up looks at, and an empty virtual environment."""
    for path in [ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("requirements*.txt")]:
        shutil.copy2(path, tmp_path / path.name)
    (tmp_path / ".venv").mkdir()
    return tmp_path


def test_every_target_is_in_contributing() -> None:
    """CONTRIBUTING.md lists the targets that the Makefile explains, and no others."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^\| `make ([a-z-]+)", text, re.MULTILINE)) == TARGETS


def test_targets_named_in_documents_exist() -> None:
    """No document tells anyone to make what the Makefile does not know."""
    named = {
        (path.name, target)
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for code in re.findall(r"```.*?```|`[^`\n]+`", path.read_text(), re.DOTALL)
        for target in re.findall(r"^`?(?:\S+=\S+ )*make ([a-z-]+)", code, re.MULTILINE)
    }
    assert len(named) > 10
    assert {(name, target) for name, target in named if target not in TARGETS} == set()


def test_help_explains_every_target(checkout: Path) -> None:
    """Bare `make` prints each target with what it does."""
    lines = make(checkout).splitlines()
    assert {re.split(r"\s+", line.strip())[1] for line in lines} == TARGETS


def test_torch_comes_without_cuda_unless_asked_for(checkout: Path) -> None:
    """The CPU index is used by default and left out with GPU=1; a change replaces what is there."""
    cpu, gpu = make(checkout, ".venv/.serving"), make(checkout, ".venv/.serving", "GPU=1")
    assert "--extra-index-url https://download.pytorch.org/whl/cpu -r requirements-torch" in cpu
    assert "uninstall" not in cpu
    assert "--extra-index-url" not in gpu
    assert gpu.index("pip uninstall --quiet --yes torch torchvision") < gpu.index(
        "pip install --quiet -r requirements-torch.txt"
    )
    assert "requirements-torch" not in make(checkout, ".venv/.serving", "GPU=1")
    back = make(checkout, ".venv/.serving")
    assert "uninstall" in back
    assert "--extra-index-url" in back
    assert "requirements-torch" not in make(checkout, ".venv/.serving")
