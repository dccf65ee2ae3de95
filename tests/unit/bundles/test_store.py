"""Bundles on disk: found by listing, trusted only by their hashes."""

import hashlib

import pytest

from tests.unit.bundle_copies import change_manifest, copy_bundle, replace_file
from topfive.bundles.manifest import MANIFEST_FILE
from topfive.bundles.store import (
    demo_root,
    find_bundle,
    hash_file,
    list_manifests,
    open_bundle,
)
from topfive.errors import BundleRefused

IMPORTED = {
    "reference": "onnxruntime 1", "channels": "rgb", "layout": "nchw", "output": "logits",
}  # fmt: skip
NEEDED = ["golden.png", "labels.txt", "model.bin", "model.xml", "weights.safetensors"]


@pytest.fixture
def copied(tiny_folder, tmp_path):
    """A copy of the tiny bundle to break, where a models directory would hold it."""
    return copy_bundle(tiny_folder, tmp_path / "tiny" / "1")


def test_a_whole_bundle_opens(tiny_folder):
    """An opened bundle has its labels, its golden picture and its weights' hash."""
    bundle = open_bundle(tiny_folder)
    assert bundle.labels == tuple(f"class {number}" for number in range(10))
    assert bundle.golden_png.startswith(b"\x89PNG")
    content = (tiny_folder / "weights.safetensors").read_bytes()
    assert bundle.weights_sha256 == hashlib.sha256(content).hexdigest()
    assert bundle.manifest.name == "tiny"


def test_an_imported_bundle_needs_no_weights_for_torch(copied):
    """Its graph's weights are its weights, and their digest is theirs."""
    (copied / "weights.safetensors").unlink()
    change_manifest(copied, lambda manifest: manifest["files"].pop("weights.safetensors"))
    with pytest.raises(BundleRefused, match=r"no hash for weights\.safetensors"):
        open_bundle(copied)
    change_manifest(copied, lambda manifest: manifest.update(imported=IMPORTED))
    content = (copied / "model.bin").read_bytes()
    assert open_bundle(copied).weights_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", NEEDED)
def test_one_changed_byte_is_found(copied, name):
    """A bundle in which any file differs by one bit is refused with the file's name."""
    content = bytearray((copied / name).read_bytes())
    content[-1] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(BundleRefused, match=name):
        open_bundle(copied)


@pytest.mark.parametrize("name", NEEDED[:-1])
def test_a_missing_file_is_found(copied, name):
    """A bundle that lacks any file that every engine needs is refused with the file's name."""
    (copied / name).unlink()
    with pytest.raises(BundleRefused, match=f"lacks {name}"):
        open_bundle(copied)


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_hash_is_found(copied, name):
    """A bundle whose manifest leaves a needed file unchecked is refused."""
    change_manifest(copied, lambda manifest: manifest["files"].pop(name))
    with pytest.raises(BundleRefused, match=f"gives no hash for {name}"):
        open_bundle(copied)


def test_extra_files_with_a_hash_are_checked_too(copied):
    """A file that a bundle brings along is held to its hash like the others."""
    replace_file(copied, "notes.txt", b"first")
    open_bundle(copied)
    (copied / "notes.txt").write_bytes(b"second")
    with pytest.raises(BundleRefused, match=r"notes\.txt"):
        open_bundle(copied)


def test_a_manifest_cannot_reach_out_of_its_folder(copied):
    """A path in place of a file's name is never followed."""
    outside = copied.parent / "secret"
    outside.write_bytes(b"x")
    change_manifest(copied, lambda one: one["files"].update({"../secret": hash_file(outside)}))
    with pytest.raises(BundleRefused, match=r"files\.\.\./secret"):
        open_bundle(copied)


def test_labels_must_be_text(copied):
    """Labels that are not UTF-8 are refused even with the right hash."""
    replace_file(copied, "labels.txt", b"\xff\xfe" * 10)
    with pytest.raises(BundleRefused, match="UTF-8"):
        open_bundle(copied)


def test_labels_must_fit_the_classes(copied):
    """A labels file of another length is refused even with the right hash."""
    replace_file(copied, "labels.txt", b"one\ntwo\n")
    with pytest.raises(BundleRefused, match="2 names for 10 classes"):
        open_bundle(copied)


def test_no_folder_is_no_bundle(tmp_path):
    """A folder that is not there, or holds nothing, is refused in plain words."""
    with pytest.raises(BundleRefused, match="No such file"):
        open_bundle(tmp_path / "nothing")
    with pytest.raises(BundleRefused, match="cannot be read"):
        open_bundle(tmp_path)


def test_the_newest_bundle_wins(tiny_folder, tmp_path):
    """Of several versions the one made last is found, whatever the folders are called."""
    for version, day in (("b", "02"), ("c", "03"), ("a", "01")):
        folder = tmp_path / "tiny" / version
        copy_bundle(tiny_folder, folder, version=version, created=f"2026-01-{day}T00:00:00+00:00")
    assert find_bundle(tmp_path, "tiny") == tmp_path / "tiny" / "c"
    listed = [manifest.version for _, manifest in list_manifests(tmp_path)]
    assert listed == ["a", "b", "c"]


def test_a_source_narrows_the_search(tiny_folder, tmp_path):
    """Where the source is given, a newer bundle from elsewhere does not count."""
    for version, source in (("1", "local:wanted"), ("2", "https://example.org/other.pth")):
        created = f"2026-01-0{version}T00:00:00+00:00"
        folder = tmp_path / "tiny" / version
        copy_bundle(tiny_folder, folder, version=version, source=source, created=created)
    assert find_bundle(tmp_path, "tiny", _from("local:wanted")) == tmp_path / "tiny" / "1"
    assert find_bundle(tmp_path, "tiny") == tmp_path / "tiny" / "2"
    assert find_bundle(tmp_path, "tiny", _from("local:unknown")) is None


def _from(source):
    return lambda manifest: manifest.source == source


def test_no_older_bundle_steps_in_for_a_damaged_one(tiny_folder, tmp_path):
    """A damaged bundle may be the one that is meant: it is told, not passed over."""
    copy_bundle(tiny_folder, tmp_path / "tiny" / "1")
    damaged = copy_bundle(tiny_folder, tmp_path / "tiny" / "2")
    (damaged / MANIFEST_FILE).write_text("{", "utf-8")
    with pytest.raises(BundleRefused, match="tiny/2"):
        find_bundle(tmp_path, "tiny")
    with pytest.raises(BundleRefused, match="tiny/2"):
        find_bundle(tmp_path, "tiny", _from("local:unknown"))
    assert find_bundle(tmp_path, "tiny", _from("local:tiny")) == tmp_path / "tiny" / "1"
    assert find_bundle(tmp_path, "other") is None


def test_damaged_bundles_are_left_out(tiny_folder, tmp_path):
    """A manifest that cannot be read hides its own bundle and no other."""
    copy_bundle(tiny_folder, tmp_path / "tiny" / "1")
    for content in (b"{", b"\xff", b"{}"):
        broken = tmp_path / "tiny" / f"broken-{len(content)}-{content[:1].hex()}"
        broken.mkdir()
        (broken / MANIFEST_FILE).write_bytes(content)
    (tmp_path / "tiny" / "folder" / MANIFEST_FILE).mkdir(parents=True)
    assert [folder.name for folder, _ in list_manifests(tmp_path)] == ["1"]


def test_bundles_still_being_made_are_left_out(tiny_folder, tmp_path):
    """A folder that is not in its place yet is no bundle, even if its manifest is written."""
    copy_bundle(tiny_folder, tmp_path / "tiny" / ".making-abc")
    assert list_manifests(tmp_path) == []


@pytest.mark.parametrize("name", ["..", "/etc", "tiny/1", "*", "", "other"])
def test_names_are_looked_up_never_joined(tiny_models, name):
    """A name that is a path or a pattern finds nothing."""
    assert find_bundle(tiny_models, name) is None


def test_no_models_directory_holds_no_bundles(tmp_path):
    """A directory that is not there yet is an empty one."""
    assert find_bundle(tmp_path / "nothing", "tiny") is None


def test_shipped_bundles_lie_in_the_package():
    """The place of the shipped bundles is inside the installed package."""
    assert demo_root().parent.name == "bundles"
