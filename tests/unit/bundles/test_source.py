"""How a bundle names where its weights came from."""

import hashlib

import pytest

from topfive.bundles.source import content_version, given_source, is_url
from topfive.errors import WeightsRefused


def test_a_url_is_its_own_source():
    """Both schemes are URLs, and a URL is recorded as it is."""
    for url in ("https://example.org/a.pth", "http://example.org/a.pth"):
        assert is_url(url)
        assert given_source(url) == url


def test_a_local_file_is_named_by_its_content_not_its_place(tmp_path):
    """The same bytes in two places are one source, and no path is recorded."""
    one, other = tmp_path / "one.pth", tmp_path / "other.pth"
    one.write_bytes(b"weights")
    other.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert content_version(one) == f"sha256-{digest[:12]}"
    assert given_source(str(one)) == given_source(str(other)) == f"local:sha256-{digest[:12]}"
    assert not is_url(str(one))


def test_a_missing_file_is_refused_with_the_setting(tmp_path):
    """The message says which file and which setting."""
    with pytest.raises(WeightsRefused, match=r"gone\.pth.*TOPFIVE_WEIGHTS"):
        given_source(str(tmp_path / "gone.pth"))
