"""What is different between a run as it began and as it is to go on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from topfive.bulk.inputs.entries import Entry
from topfive.bulk.results.manifest import Manifest, RunModel, RunPlan
from topfive.errors import BulkRefused


@dataclass(frozen=True, slots=True)
class ListChanges:
    """How many pictures are new in a list, have gone from it, or have another size or stamp."""

    added: int = 0
    gone: int = 0
    changed: int = 0


def count_changes(before: Iterable[Entry], now: Iterable[Entry]) -> ListChanges:
    """Count what differs between two lists, whatever their order is.

    They are held as two numbers of eight bytes for each picture.
    """
    old, new = _fingerprints(before), _fingerprints(now)
    kept = _in_both(old["name"], new["name"])
    same = _in_both(old["whole"], new["whole"])
    return ListChanges(len(new) - kept, len(old) - kept, kept - same)


def _fingerprints(entries: Iterable[Entry]) -> NDArray[np.void]:
    """Make a hash of each picture's name, and of that with its size and stamp."""
    kind = np.dtype([("name", np.uint64), ("whole", np.uint64)])
    return np.fromiter(map(_fingerprint, entries), kind)


def _fingerprint(entry: Entry) -> tuple[int, int]:
    name = blake2b(entry.name, digest_size=8)
    whole = name.copy()
    whole.update(f"/{entry.size_bytes}/{entry.stamp}".encode())
    return int.from_bytes(name.digest()), int.from_bytes(whole.digest())


def _in_both(old: NDArray[np.uint64], new: NDArray[np.uint64]) -> int:
    """Count the numbers that both have; one that is there twice counts twice if it is in both."""
    old_numbers, old_counts = np.unique(old, return_counts=True)
    new_numbers, new_counts = np.unique(new, return_counts=True)
    _, in_old, in_new = np.intersect1d(
        old_numbers, new_numbers, assume_unique=True, return_indices=True
    )
    return int(np.minimum(old_counts[in_old], new_counts[in_new]).sum())


def refuse_other_list(shown: str, changes: ListChanges) -> BulkRefused:
    """Make the error that says how a list of pictures has changed since a run began."""
    told = [
        f"{count:,} {what}"
        for count, what in (
            (changes.added, "added"),
            (changes.gone, "gone"),
            (changes.changed, "changed"),
        )
        if count
    ]
    return BulkRefused(
        f"The pictures are not those that the run in {shown} began with: "
        f"{', '.join(told) or 'their order is another'}. Restore them, or begin anew with another "
        "folder after --out."
    )


def require_same_plan(manifest: Manifest, plan: RunPlan, shown: str) -> None:
    """Do nothing if a run goes on as it began; raises BulkRefused that names what is different."""
    differences = [*_of_model(manifest.model, plan.model), *_of_options(manifest, plan)]
    if differences:
        raise BulkRefused(
            f"The run in {shown} cannot go on: {'; '.join(differences)}. Go on as it began, or "
            "begin anew with another folder after --out."
        )


def _of_model(before: RunModel, now: RunModel) -> Iterator[str]:
    if (before.name, before.version) != (now.name, now.version):
        old, new = f"{before.name} {before.version}", f"{now.name} {now.version}"
        yield f"it began with the model {old}, not {new}"
    elif before.digest != now.digest:
        yield (
            f"the model {now.name} {now.version} is not the same as before (its digest was "
            f"{before.digest[:12]}, and is {now.digest[:12]})"
        )
    for word in ("engine", "precision"):
        old, new = getattr(before, word), getattr(now, word)
        if old != new:
            yield f"it began with --{word} {old}, not {new}"


def _of_options(manifest: Manifest, plan: RunPlan) -> Iterator[str]:
    if manifest.format != plan.format:
        yield f"it began with --format {manifest.format}, not {plan.format}"
    if manifest.shard_pictures != plan.shard_pictures:
        yield f"it began with --shard-pictures {manifest.shard_pictures}, not {plan.shard_pictures}"
    for name, value in plan.limits.items():
        before = manifest.limits.get(name)
        if before != value:
            yield f"its limit {name} was {before}, not {value}"
