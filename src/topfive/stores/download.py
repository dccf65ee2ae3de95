"""Brings a bundle from a store into the models directory: beside its place, checked, renamed."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from topfive.bundles.disk import explain_unwritable
from topfive.bundles.manifest import MANIFEST_FILE, WEIGHTS_FILE, Manifest
from topfive.bundles.store import open_bundle, read_manifest
from topfive.errors import BundleMissing, BundleRefused
from topfive.stores.contract import Progress, StoredVersion, StoreFiles
from topfive.stores.failures import FileMissing
from topfive.stores.listing import StoredBundle, read_stored
from topfive.stores.transfer import fetch_file, persist

LOCK_FILE = ".fetch.lock"

_BESIDE, _BESIDE_END = ".fetching-", "-bundle"


def fetch_bundle(
    files: StoreFiles, version: StoredVersion, models_dir: Path, progress: Progress
) -> Path:
    """Download a bundle unless it is there; returns its folder.

    One process of a machine downloads at a time, and the others find what it has brought. Raises
    StoreUnreachable or StoreDenied, BundleMissing where there is no space for it, BundleRefused if
    it is damaged or larger than allowed, SettingsError if `models_dir` cannot be written.
    """
    stored = read_stored(files, version)
    target = models_dir / version.name / version.version
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(models_dir / LOCK_FILE):
            if target.exists():
                return _require_same(target, stored.manifest)
            _remove_leftovers(models_dir)
            return _fetch(files, stored, target, progress)
    except OSError as error:
        raise explain_unwritable(models_dir, error) from error


def _require_same(target: Path, manifest: Manifest) -> Path:
    if read_manifest(target) != manifest:
        raise BundleRefused(
            f"{target} is another bundle than the one that the store has of this name and version. "
            "Delete the folder, or give what is new a new version."
        )
    return target


def _remove_leftovers(models_dir: Path) -> None:
    """Delete what killed downloads have left; the lock says that none is under way."""
    for folder in models_dir.glob(f"{_BESIDE}*{_BESIDE_END}"):
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(files: StoreFiles, stored: StoredBundle, target: Path, progress: Progress) -> Path:
    models_dir, version = target.parents[1], stored.version
    sizes = files.sizes(version)
    names = _wanted_files(stored.manifest, sizes, f"{files.shown}/{version.folder}")
    total_bytes = None if sizes is None else sum(sizes[name] for name in names)
    _require_room(files, version, total_bytes or 0, models_dir)
    progress.begin(f"{version.name} {version.version}", total_bytes)
    beside = Path(tempfile.mkdtemp(prefix=_BESIDE, suffix=_BESIDE_END, dir=models_dir))
    try:
        _fetch_files(files, stored, names, beside, progress)
        (beside / MANIFEST_FILE).write_bytes(stored.text)
        open_bundle(beside)
        _put_in_place(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def _wanted_files(manifest: Manifest, sizes: Mapping[str, int] | None, where: str) -> list[str]:
    """List the files to fetch, small ones first where that is known; raises BundleRefused."""
    names = sorted(manifest.files)
    if sizes is None:
        return names
    lacking = [name for name in names if name not in sizes and name != WEIGHTS_FILE]
    if lacking:
        raise BundleRefused(f"The bundle in {where} lacks {', '.join(lacking)}. Push it again.")
    return sorted((name for name in names if name in sizes), key=lambda name: (sizes[name], name))


def _fetch_files(
    files: StoreFiles, stored: StoredBundle, names: list[str], beside: Path, progress: Progress
) -> None:
    left_bytes = files.limits.max_bundle_bytes
    for name in names:
        path, sha256 = f"{stored.version.folder}/{name}", stored.manifest.files[name]
        try:
            left_bytes -= fetch_file(files, path, beside / name, sha256, left_bytes, progress)
        except FileMissing as error:
            # Only torch reads these, and a bundle for serving may come without.
            if name != WEIGHTS_FILE:
                raise BundleRefused(f"{files.shown}/{path} is not there. Push it again.") from error


def _require_room(
    files: StoreFiles, version: StoredVersion, total_bytes: int, models_dir: Path
) -> None:
    if total_bytes > files.limits.max_bundle_bytes:
        raise BundleRefused(
            f"The bundle {version.folder} in {files.shown} has {total_bytes:,} bytes; the most is "
            f"{files.limits.max_bundle_bytes:,}."
        )
    free_bytes = shutil.disk_usage(models_dir).free
    if total_bytes > free_bytes:
        raise BundleMissing(
            f"The bundle {version.folder} needs {total_bytes:,} bytes, and {models_dir} has "
            f"{free_bytes:,} left. Delete old versions, or give it a larger disk."
        )


def _put_in_place(beside: Path, target: Path) -> None:
    # Temporary folders are private, and the service may run as another user.
    beside.chmod(0o755)
    target.parent.mkdir(exist_ok=True)
    persist(beside)
    beside.rename(target)
    persist(target.parent)
