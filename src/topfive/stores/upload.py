"""Puts a bundle into a store: its files first, and what makes it visible last."""

from topfive.bundles.manifest import MANIFEST_FILE, Manifest
from topfive.bundles.store import Bundle
from topfive.errors import BundleRefused
from topfive.stores.contract import Progress, StoredVersion, WritableFiles
from topfive.stores.failures import FileMissing
from topfive.stores.listing import check_manifest, read_stored


def push_bundle(files: WritableFiles, bundle: Bundle, progress: Progress) -> bool:
    """Push a bundle, unless the store has it; returns whether it was pushed.

    Raises BundleRefused if the store has another bundle of that name and version, or would not
    give this one back; SettingsError if the store is only read; StoreUnreachable or StoreDenied.
    """
    manifest = bundle.manifest
    version = StoredVersion(manifest.name, manifest.version)
    check_manifest(manifest, str(bundle.folder), files.limits.max_files)
    names = [*sorted(path for path in manifest.files if (bundle.folder / path).exists()),
             MANIFEST_FILE]  # fmt: skip
    total_bytes = sum((bundle.folder / name).stat().st_size for name in names)
    if total_bytes > files.limits.max_bundle_bytes:
        raise BundleRefused(
            f"The bundle has {total_bytes:,} bytes; a store takes "
            f"{files.limits.max_bundle_bytes:,}."
        )
    if _is_there(files, version, manifest):
        return False
    progress.begin(f"{version.name} {version.version}", total_bytes)
    try:
        files.write_bundle(version, bundle.folder, names, progress)
    except FileExistsError:
        return not _is_there(files, version, manifest)
    return True


def _is_there(files: WritableFiles, version: StoredVersion, manifest: Manifest) -> bool:
    try:
        stored = read_stored(files, version).manifest
    except FileMissing:
        return False
    if stored != manifest:
        raise BundleRefused(
            f"{files.shown} has another bundle of {version.name}@{version.version}, and a version "
            "that was pushed is never changed. Give what is new a new version."
        )
    return True
