"""The bundles that are on this machine or in its store, whether loaded or not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Protocol

from topfive.bundles.manifest import Manifest
from topfive.bundles.official import is_impostor
from topfive.bundles.store import demo_root, list_manifests, read_manifest
from topfive.bundles.versions import KnownBundle
from topfive.errors import BundleRefused
from topfive.stores.list_file import NoStoreList

# A caller who names what is not loaded makes the disk be read no more often than that.
_LOOK_AGAIN_AFTER_S = 2.0


class ManifestList(Protocol):
    """Tells the manifests of what a store has."""

    def read(self) -> tuple[Manifest, ...]:
        """Read them as they were last listed."""


class KnownBundles:
    """Lists the bundles below some roots, and those in `folders`, at most every two seconds.

    What only the store has is told with the folder below the last root in which it will be.

    A name in an earlier root is that root's alone: nothing takes a shipped bundle's name.
    """

    def __init__(
        self,
        roots: Sequence[Path] = (),
        folders: Sequence[Path] = (),
        clock: Callable[[], float] = monotonic,
        stored: ManifestList | None = None,
    ) -> None:
        self._stored = stored or NoStoreList()
        self._roots = roots
        self._folders = folders
        self._clock = clock
        self._lock = Lock()
        self._found: tuple[KnownBundle, ...] = ()
        self._looked_at_s = -_LOOK_AGAIN_AFTER_S

    def list(self, *, is_fresh: bool = False) -> tuple[KnownBundle, ...]:
        """List what is there, damaged bundles left out; with `is_fresh` as it is at this moment."""
        with self._lock:
            now_s = self._clock()
            if is_fresh or now_s - self._looked_at_s >= _LOOK_AGAIN_AFTER_S:
                self._found = tuple(self._look().values())
                self._looked_at_s = now_s
            return self._found

    def _look(self) -> dict[object, KnownBundle]:
        found: dict[object, KnownBundle] = {}
        for folder in self._folders:
            try:
                known = KnownBundle(folder, read_manifest(folder))
            except BundleRefused:
                continue
            found.setdefault(known.ref, known)
        for root in self._roots:
            taken = {one.ref.name for one in found.values() if one.folder not in self._folders}
            for folder, manifest in list_manifests(root):
                known = KnownBundle(folder, manifest)
                is_allowed = not is_impostor(manifest.name, manifest.source)
                if is_allowed and known.ref.name not in taken:
                    found.setdefault(known.ref, known)
        return self._stored_bundles(found) | found

    def _stored_bundles(self, found: dict[object, KnownBundle]) -> dict[object, KnownBundle]:
        """List what the store has; a name of what is shipped or named by its folder is not its."""
        if not self._roots:
            return {}
        models_dir = self._roots[-1]
        own = {one.ref.name for one in found.values() if one.folder.parent.parent != models_dir}
        stored = (
            KnownBundle(models_dir / one.name / one.version, one)
            for one in self._stored.read()
            if one.name not in own and not is_impostor(one.name, one.source)
        )
        return {one.ref: one for one in stored}


def known_bundles(
    models_dir: Path, folders: Sequence[Path] = (), stored: ManifestList | None = None
) -> KnownBundles:
    """Know what is shipped, in the models directory, in `folders` and in the store."""
    return KnownBundles((demo_root(), models_dir), folders, stored=stored)
