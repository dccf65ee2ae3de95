"""Bundles on disk: `<root>/<name>/<version>/`, found by listing, never by joining names."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from topfive.bundles.labels import parse_labels, require_count
from topfive.bundles.manifest import (
    GOLDEN_FILE,
    GRAPH_FILE,
    GRAPH_WEIGHTS_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    Manifest,
    parse_manifest,
)
from topfive.bundles.versions import LATEST, KnownBundle, pick_version
from topfive.errors import BundleRefused, LabelsRefused

_NEEDED_FILES = {LABELS_FILE, GRAPH_FILE, GRAPH_WEIGHTS_FILE, GOLDEN_FILE}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every file was found to have the hash that its manifest gives."""

    folder: Path
    manifest: Manifest
    labels: tuple[str, ...]

    @property
    def golden_png(self) -> bytes:
        """The golden input: a PNG of the size the model takes."""
        return (self.folder / GOLDEN_FILE).read_bytes()

    @property
    def weights_sha256(self) -> str:
        """The sha256 of the weights, in hex; of an imported model those are its graph's."""
        files = self.manifest.files
        return files.get(WEIGHTS_FILE) or files[GRAPH_WEIGHTS_FILE]


def demo_root() -> Path:
    """Tell where the bundles that are shipped inside the package lie."""
    return Path(__file__).parent / "demo"


def list_manifests(root: Path) -> list[tuple[Path, Manifest]]:
    """List the bundles under `root` with their folders, oldest first; damaged ones are left out."""
    readable = [(path, one) for path, one in _read_all(root) if isinstance(one, Manifest)]
    return sorted(readable, key=lambda pair: pair[1].created)


def find_bundle(
    root: Path,
    name: str,
    is_meant: Callable[[Manifest], bool] | None = None,
    version: str | None = None,
) -> Path | None:
    """Find the bundle called `name` of a version, or the latest, of those that are meant.

    Raises BundleRefused where a damaged one may be the one to find: no older one steps in for it.
    """
    found = [
        KnownBundle(folder, manifest)
        for folder, manifest in list_manifests(root)
        if manifest.name == name and (is_meant is None or is_meant(manifest))
    ]
    picked = pick_version(found, version)
    if picked is None or (is_meant is None and version is None):
        _refuse_damaged(root, name, version)
    return picked.folder if picked else None


def _refuse_damaged(root: Path, name: str, version: str | None) -> None:
    for folder, problem in _read_all(root):
        is_meant = folder.parent.name == name and version in (None, LATEST, folder.name)
        if is_meant and isinstance(problem, BundleRefused):
            raise problem


def _read_all(root: Path) -> Iterator[tuple[Path, Manifest | BundleRefused]]:
    # A leading dot marks a bundle that is still being made.
    for folder in sorted(root.glob("[!.]*/[!.]*/")):
        try:
            yield folder, read_manifest(folder)
        except BundleRefused as problem:
            yield folder, problem


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest; raises BundleRefused if it is missing or damaged."""
    where = f"{folder}/{MANIFEST_FILE}"
    try:
        return parse_manifest((folder / MANIFEST_FILE).read_bytes(), where)
    except OSError as error:
        raise BundleRefused(
            f"{folder} is not a bundle: {MANIFEST_FILE} cannot be read ({error.strerror}). "
            "Name the directory of a bundle, or delete this one and it is made again."
        ) from error


def open_bundle(folder: Path) -> Bundle:
    """Read a bundle and check the hash of every file in it.

    The weights may be missing: OpenVINO does without. Raises BundleRefused with the file that is
    missing or differs.
    """
    try:
        manifest = read_manifest(folder)
        _check_files(folder, manifest)
        _check_weights(folder / WEIGHTS_FILE)
        labels = parse_labels((folder / LABELS_FILE).read_text("utf-8"))
        require_count(labels, manifest.classes)
    except OSError as error:
        raise BundleRefused(f"The bundle in {folder} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BundleRefused(
            f"The labels in {folder} are not UTF-8 text.", public="its labels are not UTF-8 text."
        ) from error
    except LabelsRefused as error:
        raise BundleRefused(
            f"The labels in {folder} are damaged. {error}",
            public="its labels do not fit its classes.",
        ) from error
    return Bundle(folder, manifest, labels)


def hash_file(path: Path) -> str:
    """Compute the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_files(folder: Path, manifest: Manifest) -> None:
    # What is imported as a graph has no weights for torch.
    needed = _NEEDED_FILES if manifest.imported else _NEEDED_FILES | {WEIGHTS_FILE}
    missing = needed - manifest.files.keys()
    if missing:
        raise BundleRefused(f"{folder}/bundle.json gives no hash for {', '.join(sorted(missing))}.")
    present = {path.name: path for path in folder.iterdir() if path.is_file()}
    for name, expected in manifest.files.items():
        if name == WEIGHTS_FILE and name not in present:
            # Only torch reads them: the graph holds the same numbers, and an image leaves them out.
            continue
        if name not in present:
            raise BundleRefused(
                f"The bundle in {folder} lacks {name}. Pull it again.",
                public=f"its bundle lacks {name}.",
            )
        if hash_file(present[name]) != expected:
            raise BundleRefused(
                f"{folder / name} is not the file that the bundle was made with (its sha256 "
                "differs). Delete the folder and pull it again.",
                public=f"the sha256 of {name} is not the one in its bundle.json.",
            )


def _check_weights(path: Path) -> None:
    """Refuse weights of another form, such as a pickle, whose right hash makes them no data."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - only where one is loaded

    if not path.is_file():
        return
    try:
        with safe_open(path, "numpy"):
            pass
    except SafetensorError as error:
        raise BundleRefused(
            f"{path} is not in the safetensors format: {error}",
            public=f"{path.name} is not in the safetensors format.",
        ) from error
