"""A bundle goes into a store and comes back, or is refused whole."""

import errno
import json
import os
from pathlib import Path

import pytest

from tests.unit.bundle_copies import change_manifest, copy_bundle, replace_file
from topfive.bundles.store import open_bundle
from topfive.errors import (
    BundleMissing,
    BundleRefused,
    SettingsError,
    StoreDenied,
    StoreUnreachable,
)
from topfive.stores import download, transfer
from topfive.stores.address import parse_store
from topfive.stores.contract import NoProgress, StoredVersion, StoreLimits
from topfive.stores.directory import DirectoryFiles
from topfive.stores.download import fetch_bundle
from topfive.stores.listing import list_bundles
from topfive.stores.opening import open_writable_store
from topfive.stores.upload import push_bundle

TINY = StoredVersion("tiny", "1")


class Watching:
    """Notes what a transfer tells of its progress."""

    def __init__(self) -> None:
        self.total_bytes: int | None = None
        self.moved_bytes = 0

    def begin(self, what: str, total_bytes: int | None) -> None:
        """Note how much there is."""
        self.total_bytes = total_bytes

    def advance(self, moved_bytes: int) -> None:
        """Count what has been moved."""
        self.moved_bytes += moved_bytes


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(transfer, "sleep", lambda _: None)


@pytest.fixture
def store(tmp_path, tiny_bundle) -> Path:
    """A directory that holds the tiny bundle as a store does."""
    root = tmp_path / "store"
    push_bundle(files_of(root), tiny_bundle, NoProgress())
    return root


@pytest.fixture
def models_dir(tmp_path) -> Path:
    """An empty models directory."""
    return tmp_path / "models"


def files_of(root: Path, **limits) -> DirectoryFiles:
    """Open a directory as a store."""
    return DirectoryFiles(root, StoreLimits(**limits))


def fetch(root: Path, models_dir: Path, version: StoredVersion = TINY, **limits) -> Path:
    """Fetch a bundle from a directory."""
    return fetch_bundle(files_of(root, **limits), version, models_dir, NoProgress())


def left_in(models_dir: Path) -> list[str]:
    """List what lies in a models directory, apart from the lock."""
    return sorted(path.name for path in models_dir.iterdir() if path.name != download.LOCK_FILE)


def test_a_bundle_comes_back_as_it_was_pushed(store, models_dir, tiny_folder):
    """Every file is the same, all may read them, and nothing is left beside them."""
    folder = fetch(store, models_dir)
    assert folder == models_dir / "tiny" / "1"
    names = sorted(path.name for path in tiny_folder.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all((folder / name).read_bytes() == (tiny_folder / name).read_bytes() for name in names)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert (folder.stat().st_mode & 0o777, left_in(models_dir)) == (0o755, ["tiny"])


def test_progress_is_told_in_bytes(store, models_dir, tiny_bundle, tmp_path):
    """What is told to have been moved is, in the end, all that there is."""
    for transfer_with in (
        lambda watching: fetch_bundle(files_of(store), TINY, models_dir, watching),
        lambda watching: push_bundle(files_of(tmp_path / "other"), tiny_bundle, watching),
    ):
        watching = Watching()
        transfer_with(watching)
        assert watching.total_bytes
        assert watching.moved_bytes == watching.total_bytes


def test_what_is_there_is_not_fetched_again(store, models_dir):
    """A second fetch finds the folder, and reads no file of the store but the manifest."""
    folder = fetch(store, models_dir)
    (store / "tiny" / "1" / "model.bin").unlink()
    assert fetch(store, models_dir) == folder


def test_another_bundle_of_the_same_version_is_refused(store, models_dir):
    """A version means one bundle: neither the local one nor the stored one is replaced silently."""
    fetch(store, models_dir)
    change_manifest(store / "tiny" / "1", lambda manifest: manifest.update(created="2030"))
    with pytest.raises(BundleRefused, match="another bundle"):
        fetch(store, models_dir)


def test_a_pushed_version_is_never_changed(store, tiny_folder, tmp_path):
    """The same bundle again is no push; another one of that version is refused."""
    assert not push_bundle(files_of(store), open_bundle(tiny_folder), NoProgress())
    other = copy_bundle(tiny_folder, tmp_path / "other", created="2030")
    with pytest.raises(BundleRefused, match="another bundle of tiny@1"):
        push_bundle(files_of(store), open_bundle(other), NoProgress())


def test_of_two_pushes_at_once_one_wins(store, tiny_folder, tmp_path, monkeypatch):
    """A push that finds the place taken when it renames is refused if the bundles differ."""
    other = copy_bundle(tiny_folder, tmp_path / "other", created="2030")
    files = files_of(store)
    looks = iter([StoreDenied, None])
    read = files.read_small

    def read_small(path, most_bytes):
        if next(looks) is StoreDenied:
            with files.open("nowhere"):
                pass
        return read(path, most_bytes)

    monkeypatch.setattr(files, "read_small", read_small)
    with pytest.raises(BundleRefused, match="another bundle of tiny@1"):
        push_bundle(files, open_bundle(other), NoProgress())
    assert [path.name for path in (store / "tiny").iterdir()] == ["1"]


def test_a_push_that_fails_leaves_nothing(tmp_path, tiny_bundle, monkeypatch):
    """A disk that is full while a bundle is pushed leaves no half of it."""
    monkeypatch.setattr(os, "fsync", _raise_full)
    with pytest.raises(StoreUnreachable, match="No space left"):
        push_bundle(files_of(tmp_path / "store"), tiny_bundle, NoProgress())
    assert list((tmp_path / "store").rglob("*.*")) == []


def test_a_half_push_is_not_seen(store, models_dir):
    """Without its manifest a bundle is not in the list, and cannot be fetched."""
    (store / "tiny" / "1" / "bundle.json").unlink()
    assert list_bundles(files_of(store)).manifests == ()
    with pytest.raises(StoreDenied, match="nothing at"):
        fetch(store, models_dir)


def test_a_bundle_without_torchs_weights_is_whole(store, models_dir):
    """Bundles for serving alone come without them."""
    (store / "tiny" / "1" / "weights.safetensors").unlink()
    assert not (fetch(store, models_dir) / "weights.safetensors").exists()


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "labels.txt", "golden.png"])
def test_a_missing_file_is_named(store, models_dir, name):
    """A bundle that lacks a file is refused before anything is fetched."""
    (store / "tiny" / "1" / name).unlink()
    with pytest.raises(BundleRefused, match=f"lacks {name}"):
        fetch(store, models_dir)
    assert left_in(models_dir) == []


def test_a_damaged_file_is_refused_whole(store, models_dir):
    """A file with another hash is fetched again, then refused; nothing of it stays."""
    (store / "tiny" / "1" / "labels.txt").write_text("nonsense\n" * 10)
    with pytest.raises(BundleRefused, match=r"labels\.txt is not the file.*sha256"):
        fetch(store, models_dir)
    assert left_in(models_dir) == []


def test_labels_that_do_not_fit_are_refused(store, models_dir):
    """What has all its hashes and is no bundle all the same is not put in its place."""
    replace_file(store / "tiny" / "1", "labels.txt", b"only one\n")
    with pytest.raises(BundleRefused, match="1 name for 10 classes"):
        fetch(store, models_dir)
    assert left_in(models_dir) == []


@pytest.mark.parametrize(
    "name", ["../../../evil", "/etc/cron.d/evil", "a/b", "..", ".hidden", "a\x00b", "", "x" * 200]
)
def test_names_lead_nowhere(store, models_dir, name, tmp_path):
    """A manifest that names a file outside of its folder is no manifest."""
    change_manifest(
        store / "tiny" / "1", lambda manifest: manifest["files"].update({name: "0" * 64})
    )
    with pytest.raises(BundleRefused, match="is not a bundle manifest"):
        fetch(store, models_dir)
    assert not models_dir.exists()
    assert not (tmp_path / "evil").exists()


# What a manifest must give hashes for.
HASHES = {"golden.safetensors": "0" * 64}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "other"}, "not of what its folders say"),
        ({"version": "2"}, "not of what its folders say"),
        ({"name": "../x"}, "is not a bundle manifest"),
        ({"files": HASHES | {f"f{one}": "0" * 64 for one in range(64)}}, "the most is 64"),
        ({"source": "\x1b[2J"}, "no plain text"),
        ({"architecture": "x" * 1000}, "no plain text"),
        ({"files": HASHES | {"bundle.json": "0" * 64}}, "does not list the files"),
        ({"files": {}}, r"golden\.safetensors"),
    ],
)  # fmt: skip
def test_a_manifest_that_lies_is_refused(store, models_dir, changes, words):
    """The manifest has to be of the bundle that its folders say, and to list a bundle's files."""
    change_manifest(store / "tiny" / "1", lambda manifest: manifest.update(changes))
    with pytest.raises(BundleRefused, match=words):
        fetch(store, models_dir)
    listing = list_bundles(files_of(store))
    assert (listing.manifests, len(listing.refused)) == ((), 1)


def test_an_official_name_is_for_official_weights(store, models_dir, tiny_folder, tmp_path):
    """Neither a fetch nor a push makes a bundle official by its name."""
    impostor = copy_bundle(tiny_folder, store / "resnet50" / "1", name="resnet50")
    with pytest.raises(BundleRefused, match="not made of the official weights"):
        fetch(store, models_dir, StoredVersion("resnet50", "1"))
    with pytest.raises(BundleRefused, match="not made of the official weights"):
        push_bundle(files_of(tmp_path / "other"), open_bundle(impostor), NoProgress())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"name": 1}'])
def test_what_is_no_manifest_is_left_out(store, models_dir, text):
    """A damaged manifest hides no other bundle, and is told."""
    copy_bundle(store / "tiny" / "1", store / "tiny" / "2", version="2")
    (store / "tiny" / "2" / "bundle.json").write_bytes(text)
    listing = list_bundles(files_of(store))
    assert [one.version for one in listing.manifests] == ["1"]
    assert "is not a bundle manifest" in listing.refused[0]


def test_a_listing_is_cut(store):
    """Neither many folders nor long manifests fill the memory."""
    for number in range(2, 8):
        copy_bundle(store / "tiny" / "1", store / "tiny" / str(number), version=str(number))
    assert len(files_of(store, max_versions=3).list_versions()) == 3
    with pytest.raises(StoreUnreachable, match="over 3,000 bytes"):
        list_bundles(files_of(store, max_listing_bytes=3000))
    (store / "tiny" / "1" / "bundle.json").write_text(json.dumps({"x": "0" * 5000}))
    listing = list_bundles(files_of(store, max_manifest_bytes=4000), "tiny")
    assert "has over 4,000 bytes" in listing.refused[0]


def test_other_folders_are_no_bundles(store, tmp_path):
    """What no bundle can be called is not in the list, nor are files."""
    for name in ("Upper/1", ".hidden/1", "tiny/.making-x", "tiny/a b", "flat"):
        (store / name).mkdir(parents=True)
        (store / name / "bundle.json").write_text("{}")
    (store / "file").write_text("")
    assert files_of(store).list_versions() == [TINY]


def test_too_large_a_bundle_is_not_fetched(store, models_dir):
    """What is too large in all is refused before, and what grows meanwhile while it comes."""
    with pytest.raises(BundleRefused, match=r"the most is 10,000"):
        fetch(store, models_dir, max_bundle_bytes=10_000)
    files = files_of(store, max_bundle_bytes=10_000)
    files.sizes = lambda _: None
    with pytest.raises(BundleRefused, match="larger than the"):
        fetch_bundle(files, TINY, models_dir, NoProgress())
    assert left_in(models_dir) == []


def test_links_out_of_a_store_are_not_followed(store, models_dir, tmp_path):
    """A link to a file outside counts as missing, and a pipe is never waited for."""
    folder = store / "tiny" / "1"
    (folder / "labels.txt").rename(tmp_path / "labels.txt")
    (folder / "labels.txt").symlink_to(tmp_path / "labels.txt")
    with pytest.raises(BundleRefused, match=r"lacks labels\.txt"):
        fetch(store, models_dir)
    (folder / "labels.txt").unlink()
    os.mkfifo(folder / "labels.txt")
    with pytest.raises(BundleRefused, match=r"lacks labels\.txt"):
        fetch(store, models_dir)
    (folder / "bundle.json").rename(tmp_path / "bundle.json")
    (folder / "bundle.json").symlink_to(tmp_path / "bundle.json")
    with pytest.raises(StoreDenied, match="nothing at"):
        fetch(store, models_dir)


def test_a_link_to_another_version_is_no_bundle(store):
    """A folder linked under another name holds a bundle of another version, and is left out."""
    (store / "tiny" / "newest").symlink_to("1")
    listing = list_bundles(files_of(store))
    assert [one.version for one in listing.manifests] == ["1"]
    assert "not of what its folders say" in listing.refused[0]


def test_what_killed_downloads_left_is_removed(store, models_dir):
    """The next download deletes the folders of those that did not end."""
    (models_dir / ".fetching-abc-bundle").mkdir(parents=True)
    (models_dir / ".fetching-weights").mkdir()
    fetch(store, models_dir)
    assert left_in(models_dir) == [".fetching-weights", "tiny"]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), BundleMissing, "larger disk"),
        (OSError(errno.EROFS, "Read-only file system"), SettingsError, "right to write"),
        (OSError(errno.EIO, "Input/output error"), BundleMissing, "Input/output error"),
    ],
)
def test_a_disk_that_fails_is_not_the_stores_fault(
    store, models_dir, monkeypatch, error, kind, words
):
    """What cannot be written is told as such, and nothing half is left."""

    def persist(_path):
        raise error

    monkeypatch.setattr(transfer, "persist", persist)
    with pytest.raises(kind, match=words):
        fetch(store, models_dir)
    assert left_in(models_dir) == []


def test_space_is_looked_for_first(store, models_dir, monkeypatch):
    """A bundle for which there is no space is not begun."""
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(BundleMissing, match=r"needs [0-9,]+ bytes, and .* has 1,000 left"):
        fetch(store, models_dir)


def test_a_store_that_is_not_there_is_told(tmp_path, models_dir):
    """A directory that is missing, or is none, is named."""
    for path in (tmp_path / "gone", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreUnreachable, match=str(path)):
            files_of(path).list_versions()


def test_an_index_is_written_for_web_servers(store, tiny_folder, tmp_path):
    """The list of a directory's bundles is kept with every push."""
    other = copy_bundle(tiny_folder, tmp_path / "other", version="2.0.0")
    push_bundle(files_of(store), open_bundle(other), NoProgress())
    assert json.loads((store / "index.json").read_text()) == {"bundles": ["tiny/1", "tiny/2.0.0"]}


def test_a_web_server_is_not_pushed_to():
    """Pushing to an https:// address says where to push instead."""
    with pytest.raises(SettingsError, match="only read"):
        open_writable_store(parse_store("https://models.example.org"))


def _raise_full(_descriptor):
    raise OSError(errno.ENOSPC, "No space left on device")
