"""The list of a store is kept on the machine."""

import pytest

from topfive.bundles.store import read_manifest
from topfive.registry.known import known_bundles
from topfive.stores.list_file import StoreListFile

STORE = "s3://models/team"


@pytest.fixture
def manifest(tiny_folder):
    """The tiny bundle's manifest."""
    return read_manifest(tiny_folder)


def test_what_was_written_is_read(tmp_path, manifest):
    """Another process reads the manifests, and knows how old they are."""
    StoreListFile(tmp_path / "models", STORE).write((manifest,))
    found = StoreListFile(tmp_path / "models", STORE)
    assert found.read() == (manifest,)
    age_s = found.age_s()
    assert age_s is not None
    assert 0 <= age_s < 60


def test_a_later_list_is_seen(tmp_path, manifest):
    """The file is read again when it changes."""
    writer, reader = StoreListFile(tmp_path, STORE), StoreListFile(tmp_path, STORE)
    assert reader.read() == ()
    assert reader.age_s() is None
    writer.write((manifest,))
    assert reader.read() == (manifest,)
    writer.write(())
    assert reader.read() == ()


def test_another_stores_list_is_none(tmp_path, manifest):
    """After TOPFIVE_MODEL_STORE was changed, the former store's list counts for nothing."""
    StoreListFile(tmp_path, STORE).write((manifest,))
    other = StoreListFile(tmp_path, "s3://models/other")
    assert (other.read(), other.age_s()) == ((), None)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"store": 1}', "\x00"])
def test_a_damaged_list_is_none(tmp_path, text):
    """What cannot be read is made again, and stops nothing."""
    found = StoreListFile(tmp_path, STORE)
    (tmp_path / ".store.json").write_text(text)
    assert (found.read(), found.age_s()) == ((), None)


def test_the_address_is_not_written(tmp_path):
    """A login in a store's address does not come onto the disk, and anyone may read the list."""
    StoreListFile(tmp_path, "https://me:hidden@models.example.org").write(())
    assert "hidden" not in (tmp_path / ".store.json").read_text()
    assert (tmp_path / ".store.json").stat().st_mode & 0o777 == 0o644


def test_what_only_the_store_has_is_known(tmp_path, tiny_models, manifest):
    """Stored bundles are known beside those on disk, which come first; shipped names are taken."""
    newer = manifest.model_copy(update={"version": "2.0.0"})
    digits = manifest.model_copy(update={"name": "digits", "version": "2.0.0"})
    impostor = manifest.model_copy(update={"name": "resnet50"})
    changed = manifest.model_copy(update={"architecture": "other"})
    stored = StoreListFile(tmp_path, STORE)
    stored.write((newer, digits, impostor, changed))
    known = {one.ref: one for one in known_bundles(tiny_models, stored=stored).list()}
    found = {
        f"{ref.name}@{ref.version}": (one.is_here, one.manifest.architecture)
        for ref, one in known.items()
    }
    assert found == {
        "digits@1": (True, found["digits@1"][1]),
        "tiny@1": (True, manifest.architecture),
        "tiny@2.0.0": (False, manifest.architecture),
    }
