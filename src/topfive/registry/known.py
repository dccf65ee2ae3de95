"""The bundles that are on this machine, whether loaded or not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import monotonic

from topfive.bundles.official import is_impostor
from topfive.bundles.store import demo_root, list_manifests, read_manifest
from topfive.bundles.versions import KnownBundle
from topfive.errors import BundleRefused

# A caller who names what is not loaded makes the disk be read no more often than that.
_LOOK_AGAIN_AFTER_S = 2.0


class KnownBundles:
    """Lists the bundles below some roots, and those in `folders`, at most every two seconds.

    A name in an earlier root is that root's alone: nothing takes a shipped bundle's name.
    """

    def __init__(
        self,
        roots: Sequence[Path] = (),
        folders: Sequence[Path] = (),
        clock: Callable[[], float] = monotonic,
    ) -> None:
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
        return found


def known_bundles(models_dir: Path, folders: Sequence[Path] = ()) -> KnownBundles:
    """Know what is shipped, what lies in the models directory, and what is in `folders`."""
    return KnownBundles((demo_root(), models_dir), folders)
