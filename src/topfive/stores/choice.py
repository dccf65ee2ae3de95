"""Which bundle of a store a reference means."""

from pathlib import Path

from topfive.bundles.versions import KnownBundle, ModelReference, pick_version
from topfive.errors import BundleMissing
from topfive.stores.contract import StoredVersion, StoreFiles
from topfive.stores.listing import list_bundles

_MOST_SHOWN = 5


def choose_stored(files: StoreFiles, wanted: ModelReference) -> StoredVersion:
    """Tell the bundle that is meant: its version's text, else a digest; without one the latest.

    Raises BundleMissing if the store has none such now, StoreUnreachable or StoreDenied.
    """
    listing = list_bundles(files, wanted.name)
    known = [KnownBundle(Path(), manifest) for manifest in listing.manifests]
    found = pick_version(known, wanted.version)
    if found is None:
        there = _what_there_is(files, wanted)
        raise BundleMissing(f"There is no {wanted} in {files.shown}. {there}")
    return StoredVersion(found.ref.name, found.ref.version)


def _what_there_is(files: StoreFiles, wanted: ModelReference) -> str:
    there = files.list_versions()
    of_name = [one.version for one in there if one.name == wanted.name]
    names = of_name or sorted({one.name for one in there})
    if not names:
        return "It has no bundle at all."
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    kind = "versions" if of_name else "models"
    return f"Its {kind}: {', '.join(names[-_MOST_SHOWN:])}{more}."
