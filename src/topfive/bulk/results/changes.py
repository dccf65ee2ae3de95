"""What is different between a run as it began and as it is to go on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
    """Count what differs between two lists, both sorted by their names."""
    added = gone = changed = 0
    old_rest, new_rest = iter(before), iter(now)
    old, new = next(old_rest, None), next(new_rest, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.name < new.name):
            gone += 1
            old = next(old_rest, None)
        elif old is None or new.name < old.name:
            added += 1
            new = next(new_rest, None)
        else:
            changed += old != new
            old, new = next(old_rest, None), next(new_rest, None)
    return ListChanges(added, gone, changed)


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
