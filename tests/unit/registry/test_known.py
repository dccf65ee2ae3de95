"""Which bundles are known, and when they are looked for again."""

import pytest

from tests.unit.bundle_copies import copy_bundle
from topfive.registry.known import KnownBundles


@pytest.fixture
def root(tiny_folder, tmp_path):
    """A models directory with two versions of one bundle."""
    for version in ("1", "2"):
        copy_bundle(tiny_folder, tmp_path / "own" / "tiny" / version, version=version)
    return tmp_path / "own"


def _refs(known, **how):
    return sorted((one.ref.name, one.ref.version) for one in known.list(**how))


def test_all_versions_are_known_and_damaged_ones_are_not(root):
    """What has no readable manifest is left out."""
    (root / "tiny" / "3").mkdir()
    (root / "tiny" / "3" / "bundle.json").write_text("{")
    assert _refs(KnownBundles((root,))) == [("tiny", "1"), ("tiny", "2")]


def test_a_shipped_name_is_no_one_elses(root, tiny_folder, tmp_path):
    """A bundle in a later root cannot have the name of one in an earlier root."""
    copy_bundle(tiny_folder, tmp_path / "shipped" / "tiny" / "7", version="7")
    assert _refs(KnownBundles((tmp_path / "shipped", root))) == [("tiny", "7")]


def test_a_folder_that_settings_name_is_known_beside_the_others(root, tiny_folder, tmp_path):
    """It comes before one of the same name and version; one that is damaged is left out."""
    folder = copy_bundle(tiny_folder, tmp_path / "elsewhere", version="2")
    known = KnownBundles((root,), (folder, tmp_path / "nothing"))
    assert _refs(known) == [("tiny", "1"), ("tiny", "2")]
    assert {one.folder for one in known.list()} == {folder, root / "tiny" / "1"}


def test_an_impostor_is_not_known(root, tiny_folder):
    """An official name for other weights is never served."""
    copy_bundle(tiny_folder, root / "resnet50" / "1", name="resnet50", source="local:sha256-1")
    assert _refs(KnownBundles((root,))) == [("tiny", "1"), ("tiny", "2")]


def test_the_disk_is_read_again_after_two_seconds(root, tiny_folder):
    """Requests for what is not loaded do not each read the disk; a load does."""
    now_s = [100.0]
    known = KnownBundles((root,), clock=lambda: now_s[0])
    assert len(known.list()) == 2
    copy_bundle(tiny_folder, root / "tiny" / "3", version="3")
    assert len(known.list()) == 2
    assert len(known.list(is_fresh=True)) == 3
    copy_bundle(tiny_folder, root / "tiny" / "4", version="4")
    now_s[0] += 2
    assert len(known.list()) == 4
