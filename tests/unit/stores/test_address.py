"""Where a store is, read from one text."""

import pytest

from topfive.errors import SettingsError
from topfive.stores import address as module
from topfive.stores.address import parse_store, require_library


@pytest.mark.parametrize(
    ("text", "scheme", "root"),
    [
        ("/srv/models", "file", "/srv/models"),
        ("s3://models", "s3", "models"),
        ("S3://models/team-a/prod/", "s3", "models/team-a/prod"),
        ("gs://models/v=1", "gs", "models/v=1"),
        ("az://container/a_b", "az", "container/a_b"),
        ("https://models.example.org/", "https", "https://models.example.org"),
        ("http://[::1]:8080/a/b", "http", "http://[::1]:8080/a/b"),
    ],
)
def test_every_kind_is_understood(text, scheme, root):
    """A directory, a web server and three clouds are stores."""
    found = parse_store(text)
    assert (found.scheme, found.root) == (scheme, root)


def test_a_directory_is_the_same_wherever_the_process_goes(tmp_path, monkeypatch):
    """A relative directory is made absolute at once."""
    monkeypatch.chdir(tmp_path)
    assert parse_store("models").root == str(tmp_path / "models")


@pytest.mark.parametrize(
    "text",
    [
        "", "ftp://host/a", "s3://", "s3:///a", "s3://a/../b", "s3://a/./b", "s3://a//b",
        "s3://a/*", "s3://a/b?versionId=1", "s3://key:secret@a/b", "s3://a/b c", "s3://a\nb",
        "https://", "https://host:0/", "https://host:99999/", "https://host/#a", "https://h\x00/",
        "gs://a/.hidden", "s3://" + "a" * 5000,
    ],
)  # fmt: skip
def test_what_cannot_be_a_store_is_refused(text):
    """Wildcards, dots that lead elsewhere, credentials and control characters have no place."""
    with pytest.raises(ValueError, match=r"."):
        parse_store(text)


def test_what_is_secret_is_never_shown():
    """Neither a login nor a signature in a URL is in what is shown, nor in its repr."""
    found = parse_store("https://me:hidden@models.example.org/team?sig=hidden")
    assert found.shown == "https://models.example.org/team"
    assert "hidden" not in repr(found)


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    """Whoever lacks a cloud's library is told what to install; others need nothing."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"needs gcsfs.*requirements-gcs\.txt"):
        require_library(parse_store("gs://models"))
    require_library(parse_store("/srv/models"))
    require_library(parse_store("https://models.example.org"))
