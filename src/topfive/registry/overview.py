"""How one worker has every model that it knows of."""

from collections.abc import Iterable, Mapping, Sequence

from topfive.bundles.versions import KnownBundle, pick_version
from topfive.predictions import ModelRef
from topfive.registry.status import ModelState, ModelStatus
from topfive.registry.table import Entry


def list_statuses(
    known: Iterable[KnownBundle],
    entries: Sequence[Entry],
    missing: Mapping[ModelRef, ModelStatus],
    active: Mapping[str, str],
) -> tuple[ModelStatus, ...]:
    """Tell of every bundle, loaded or not, and of those that are missing, by name and version.

    Of a version that was loaded again while it drained, the new one is told.
    """
    bundles = {one.ref: one for one in known} | {one.ref: one.bundle for one in entries}
    held = {one.ref: one for one in reversed(entries)}
    meant = _latest_of_each(bundles.values()) | dict(active)
    told = dict(missing) | {
        ref: _status(bundle, held.get(ref), is_active=meant[ref.name] == ref.version)
        for ref, bundle in bundles.items()
        if ref in held or ref not in missing
    }
    return tuple(told[ref] for ref in sorted(told, key=lambda one: (one.name, one.version)))


def _latest_of_each(bundles: Iterable[KnownBundle]) -> dict[str, str]:
    named: dict[str, list[KnownBundle]] = {}
    for bundle in bundles:
        named.setdefault(bundle.ref.name, []).append(bundle)
    latest = {name: pick_version(several, None) for name, several in named.items()}
    return {name: one.ref.version for name, one in latest.items() if one}


def _status(bundle: KnownBundle, entry: Entry | None, *, is_active: bool) -> ModelStatus:
    manifest = bundle.manifest
    engine = entry.classifier.engine if entry and entry.classifier else None
    return ModelStatus(
        ref=bundle.ref,
        digest=bundle.digest,
        architecture=manifest.architecture,
        num_classes=manifest.classes,
        state=entry.state if entry else ModelState.AVAILABLE,
        reason=entry.reason if entry else None,
        is_active=is_active,
        is_pinned=entry is not None and entry.is_pinned,
        memory_bytes=entry.memory_bytes if entry and engine else None,
        engine=engine.name if engine else None,
        precision=engine.precision if engine else None,
        metrics=manifest.metrics,
    )
