"""What is written agrees with what runs."""

import re
import sys
from pathlib import Path
from subprocess import run

import pytest

from topfive.errors import FAILURES
from topfive.settings import RESERVED_NAMES, Settings, parse_settings, variable_name

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
)


def test_generated_documents_are_in_step() -> None:
    """Settings, failures and .env.example say what the code declares."""
    done = run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_env_example_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking away every # in .env.example gives the defaults."""
    text = (ROOT / ".env.example").read_text()
    values = dict(re.findall(r"^#(TOPFIVE_\w+)=(.*)$", text, re.MULTILINE))
    assert set(values) == {variable_name(field) for field in Settings.model_fields}
    assert parse_settings(values) == Settings()


def test_every_failure_is_in_the_api_documentation() -> None:
    """docs/API.md names every code."""
    text = (ROOT / "docs" / "API.md").read_text()
    assert [code for code in FAILURES if f"`{code}`" not in text] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link in a document names a file that is there."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_named_in_documents_exist(path: Path) -> None:
    """No document names a setting that topfive would refuse."""
    known = {variable_name(field) for field in Settings.model_fields}
    reserved = RESERVED_NAMES | {"TOPFIVE_"}
    named = set(re.findall(r"TOPFIVE_[A-Z0-9_]*", path.read_text()))
    assert named - known - reserved == set()
