"""API keys in a file change without a restart."""

import hashlib
from pathlib import Path

import pytest

from topfive.auth.keyfile import KeyFile
from topfive.errors import SettingsError

DIGEST = hashlib.sha256(b"key").hexdigest()


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    """A key that is added is accepted from then on, with comments and blank lines around it."""
    path = tmp_path / "keys"
    path.write_text("# none yet\n\n")
    keys = KeyFile(path)
    assert keys() == ()
    path.write_text(f"{DIGEST}:predict+admin # mine\n")
    assert [(key.digest, key.scopes) for key in keys()] == [(DIGEST, {"predict", "admin"})]


def test_file_that_breaks_later_changes_nothing(tmp_path: Path) -> None:
    """A slip while editing, or a file that is gone, locks nobody out."""
    path = tmp_path / "keys"
    path.write_text(DIGEST)
    keys = KeyFile(path)
    path.write_text("oops")
    assert [key.digest for key in keys()] == [DIGEST]
    path.unlink()
    assert [key.digest for key in keys()] == [DIGEST]


def test_file_that_is_wrong_at_the_start_is_told(tmp_path: Path) -> None:
    """A missing or wrong file stops the start with a plain message."""
    with pytest.raises(SettingsError, match="cannot be read"):
        KeyFile(tmp_path / "missing")
    (tmp_path / "keys").write_text("short")
    with pytest.raises(SettingsError, match="entry 1"):
        KeyFile(tmp_path / "keys")
