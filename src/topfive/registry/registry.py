"""The model registry of one worker: which models are loaded, and which of them answers.

Classifiers are handed out by lease, so that none closes while it works.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from topfive.bundles.store import open_bundle, read_manifest
from topfive.bundles.versions import LATEST, KnownBundle, pick_version, rank
from topfive.classify.classifier import Classifier
from topfive.errors import BundleRefused, Failure, ModelBusy, OperatorError
from topfive.predictions import ModelRef
from topfive.registry.known import KnownBundles
from topfive.registry.meaning import Meanings, Reference
from topfive.registry.memory import ModelMemory
from topfive.registry.overview import list_statuses
from topfive.registry.refusals import (
    being_loaded,
    explain_refusal,
    failed,
    not_here,
    not_loaded,
    unknown_model,
    unknown_version,
)
from topfive.registry.status import ModelState, ModelStatus
from topfive.registry.table import Entry, ModelTable


@dataclass(frozen=True, slots=True)
class ServingState:
    """Which classifier answers those who name none (None: none), and why not the desired one.

    `missing` is why a further model that settings name is not here yet, where one is not.
    """

    serving: Classifier | None
    is_desired: bool
    reason: str | None
    missing: str | None = None


def _open_nothing(folder: Path) -> Classifier:
    raise BundleRefused(f"{folder} cannot be loaded: nothing was told of how.")


def _bring_nothing(_bundle: KnownBundle) -> None:
    """Leave it to the loading to say that there is nothing."""


class Registry:
    """Holds the loaded models, and a fallback until the one called `desired` is there.

    `open_classifier` loads the bundle in a folder, `bring` puts one there that is known and not
    here; both raise an OperatorError.
    """

    def __init__(
        self,
        desired: str,
        known: KnownBundles | None = None,
        open_classifier: Callable[[Path], Classifier] = _open_nothing,
        memory: ModelMemory | None = None,
        bring: Callable[[KnownBundle], None] = _bring_nothing,
    ) -> None:
        self._bring = bring
        self.desired = desired
        self._known = known or KnownBundles()
        self._open = open_classifier
        self._memory = memory or ModelMemory()
        self._lock = Lock()
        self._table = ModelTable()
        self._meanings = Meanings(desired, self._table)
        self._missing: dict[ModelRef, ModelStatus] = {}
        self._reason = "The model is being loaded."
        self._is_closed = False

    @property
    def state(self) -> ServingState:
        """What answers those who name no model, at this moment."""
        with self._lock:
            entry = self._meanings.find_default()
            serving = entry.classifier if entry else None
            missing = next((one.reason for one in self._missing.values()), None)
            if self._meanings.find_desired() is not None:
                return ServingState(serving, is_desired=True, reason=None, missing=missing)
            return ServingState(serving, is_desired=False, reason=self._reason, missing=missing)

    @property
    def lease_count(self) -> int:
        """How many leases are out."""
        with self._lock:
            return self._table.lease_count

    def memory_taken(self) -> dict[ModelRef, int]:
        """Tell how many bytes each model takes that can be leased."""
        with self._lock:
            return {one.ref: one.memory_bytes for one in self._table if one.is_ready}

    def statuses(self) -> tuple[ModelStatus, ...]:
        """Tell how this worker has every model that it knows of, in the order of their names."""
        known = self._known.list()
        with self._lock:
            return list_statuses(known, tuple(self._table), self._missing, self._meanings.active)

    def held(self) -> tuple[ModelStatus, ...]:
        """Tell how this worker has what is loaded, being loaded, draining or failed."""
        with self._lock:
            return list_statuses((), tuple(self._table), {}, self._meanings.active)

    def active(self, name: str) -> str | None:
        """Tell the version of `name` that is meant where none is said; None: there is none."""
        with self._lock:
            version = self._meanings.active.get(name)
        latest = None if version else pick_version(self.bundles(name), None)
        return latest.ref.version if latest else version

    def versions(self, name: str) -> tuple[ModelRef, ...]:
        """List the versions of a name whose bundles are here, the latest first."""
        ranked = sorted(self.bundles(name), key=lambda one: rank(one.manifest), reverse=True)
        return tuple(one.ref for one in ranked)

    def find(self, reference: Reference) -> ModelRef:
        """Tell which version of a model is meant.

        Raises ModelNotFound if there is none such, ModelUnavailable if its bundle is not here yet.
        """
        return self._find(reference).ref

    def require_loadable(self, reference: Reference) -> ModelRef:
        """Find the version that is meant, and look at what can be seen without loading it.

        Raises ModelNotFound, ModelTooLarge, or BundleRefused by its hashes and labels.
        """
        bundle = self._find(reference, is_fresh=True)
        with self._lock:
            present = self._table.get(bundle.ref)
            if present is not None and present.is_ready:
                return bundle.ref
            wanted_bytes = self._memory.expect_bytes(bundle)
            protected = self._meanings.list_protected()
            self._table.find_room(bundle.ref, wanted_bytes, self._memory.limit_bytes, protected)
        if bundle.is_here:
            open_bundle(bundle.folder)
        return bundle.ref

    def require_unused(self, ref: ModelRef) -> None:
        """Do nothing for a version that may be unloaded; raises ModelBusy, and why, for another."""
        with self._lock:
            self._meanings.require_unused(ref)

    def has_ready(self, reference: Reference) -> bool:
        """Tell whether the version that is meant can be leased at this moment."""
        with self._lock:
            return self._meanings.find_loaded(reference) is not None

    @contextmanager
    def lease(self, reference: Reference | None = None) -> Iterator[Classifier]:
        """Hand out the classifier that is meant until the block ends; None: the default one.

        Raises ModelUnavailable if it is not loaded, ModelNotFound if there is none such.
        """
        entry, classifier = self._acquire(reference)
        try:
            yield classifier
        finally:
            with self._lock:
                closing = self._table.release(entry)
            _close(closing)

    def is_stand_in(self, classifier: Classifier) -> bool:
        """Tell whether a classifier that was leased answers in place of the desired one."""
        return classifier is self._meanings.stand_in

    def load(self, reference: Reference, *, is_pinned: bool = False) -> ModelRef:
        """Load what is meant beside what serves, unless it is loaded; a pinned one stays.

        The first version of a name becomes the active one, the desired model apart. Raises
        ModelNotFound, ModelBusy while it is being loaded, or an OperatorError, such as
        ModelTooLarge; `refusals.explain_refusal` puts that into public words.
        """
        bundle = self._find(reference, is_fresh=True)
        if not bundle.is_here:
            self._bring(bundle)
        return self._load(bundle, is_pinned=is_pinned)

    def load_folder(self, folder: Path, *, is_pinned: bool = False) -> ModelRef:
        """Load the bundle in a folder; raises as `load`."""
        return self._load(KnownBundle(folder, read_manifest(folder)), is_pinned=is_pinned)

    def adopt(self, classifier: Classifier) -> ModelRef:
        """Let a classifier be leased that was loaded elsewhere."""
        bundle = KnownBundle(classifier.bundle.folder, classifier.bundle.manifest)
        with self._lock:
            entry = self._table.get(bundle.ref)
            is_new = entry is None or entry.classifier is not classifier
            closing = self._finish(Entry(bundle, 0), classifier, 0) if is_new else []
        _close(closing)
        return bundle.ref

    def activate(self, reference: Reference) -> ModelRef:
        """Make a loaded version the one that its name means.

        The one that was, and a fallback, are closed after their last leases, unless they are
        pinned, kept or routed. Raises ModelUnavailable or ModelNotFound if it is not loaded.
        """
        ref = self.find(reference)
        with self._lock:
            if self._meanings.find_loaded(ref) is None:
                raise self._refusal(ref)
            closing = self._meanings.switch(ref)
        _close(closing)
        return ref

    def stand_in(self, reference: Reference, reason: str) -> None:
        """Let a loaded model answer in place of the desired one, and say why."""
        with self._lock:
            self._reason = reason
            entry = self._meanings.find_loaded(reference)
            if entry is not None:
                self._meanings.let_stand_in(entry)

    def unload(self, reference: Reference) -> ModelRef:
        """Hand a version out no more; it is closed after its last lease.

        Raises ModelNotFound, or ModelBusy if it is pinned, routed, or what its name means.
        """
        ref = self.find(reference)
        with self._lock:
            self._meanings.require_unused(ref)
            self._meanings.forget(ref)
            closing = self._table.retire(ref)
        _close(closing)
        return ref

    def keep_only(self, wanted: frozenset[ModelRef]) -> None:
        """Unload, each after its last lease, what is neither wanted, pinned, routed nor default."""
        with self._lock:
            staying = wanted | self._meanings.list_protected()
            leaving = [
                one.ref
                for one in self._table
                if one.is_ready and not one.is_pinned and one.ref not in staying
            ]
            for ref in leaving:
                self._meanings.forget(ref)
            closing = [one for ref in leaving for one in self._table.retire(ref)]
        _close(closing)

    def hold(self, *, kept: Iterable[ModelRef] = (), routed: Iterable[ModelRef] = ()) -> None:
        """Say which versions stay loaded when another becomes active.

        Those that are `routed` are not unloaded to make room for others either.
        """
        with self._lock:
            self._meanings.kept, self._meanings.routed = frozenset(kept), frozenset(routed)

    def note_missing(self, status: ModelStatus) -> None:
        """Tell of a model that settings name and whose bundle is not here yet."""
        with self._lock:
            self._missing[status.ref] = status

    def explain(self, reason: str) -> None:
        """Say why the desired model does not serve; it is told only while it does not."""
        with self._lock:
            self._reason = reason

    def close(self) -> None:
        """Stop serving for good; classifiers close after their last leases."""
        with self._lock:
            self._is_closed = True
            self._reason = "The service is stopping."
            refs = [entry.ref for entry in self._table]
            closing = [one for ref in refs for one in self._table.retire(ref)]
        _close(closing)

    def bundles(self, name: str, *, is_fresh: bool = False) -> list[KnownBundle]:
        """List the bundles of a name; those that are loaded may be on disk no more."""
        known = self._known.list(is_fresh=is_fresh)
        with self._lock:
            loaded = [entry.bundle for entry in self._table]
        found = {one.ref: one for one in (*known, *loaded) if one.ref.name == name}
        return list(found.values())

    def _acquire(self, reference: Reference | None) -> tuple[Entry, Classifier]:
        with self._lock:
            entry = self._find_loaded(reference)
            if entry is not None:
                return entry, self._table.acquire(entry)
        if reference is None or self._is_closed:
            raise not_here(self.desired)
        # What `latest`, a digest or nothing means may only be known from the disk.
        ref = self._find(reference).ref
        with self._lock:
            entry = self._find_loaded(ref)
            if entry is None:
                raise self._refusal(ref)
            return entry, self._table.acquire(entry)

    def _find_loaded(self, reference: Reference | None) -> Entry | None:
        if reference is None:
            return self._meanings.find_default()
        return self._meanings.find_loaded(reference)

    def _refusal(self, ref: ModelRef) -> Failure:
        entry = self._table.get(ref)
        if entry is not None and entry.state is ModelState.LOADING:
            return being_loaded(ref)
        return failed(ref, entry.reason) if entry and entry.reason else not_loaded(ref)

    def _find(self, reference: Reference, *, is_fresh: bool = False) -> KnownBundle:
        name = reference.name
        bundles = self.bundles(name, is_fresh=is_fresh)
        if not bundles:
            raise self._absent(name)
        version = self.active(name) if reference.version is None else reference.version
        picked = pick_version(bundles, version)
        if picked is None:
            raise unknown_version(name, version or "", [one.ref.version for one in bundles])
        return picked

    def _absent(self, name: str) -> Failure:
        with self._lock:
            awaited = {self.desired} | {ref.name for ref in self._missing}
            names = awaited | {entry.ref.name for entry in self._table}
        names |= {one.ref.name for one in self._known.list()}
        return not_here(name) if name in awaited else unknown_model(name, names)

    def _load(self, bundle: KnownBundle, *, is_pinned: bool) -> ModelRef:
        ref, wanted_bytes = bundle.ref, self._memory.expect_bytes(bundle)
        entry = Entry(bundle, wanted_bytes, is_pinned=is_pinned)
        with self._lock:
            present = self._table.get(ref)
            if present is not None and present.is_ready:
                present.is_pinned |= is_pinned
                return ref
            if present is not None and present.state is ModelState.LOADING:
                raise ModelBusy(f"{ref.name} {ref.version} is being loaded already.")
            room = self._table.make_room(
                ref, wanted_bytes, self._memory.limit_bytes, self._meanings.list_protected()
            )
            self._table.add(entry)
        _close(room)
        with self._noting_failure(entry):
            classifier, taken_bytes = self._memory.measure(
                bundle, lambda: self._open(bundle.folder)
            )
        with self._lock:
            closing = self._finish(entry, classifier, taken_bytes)
        _close(closing)
        return ref

    @contextmanager
    def _noting_failure(self, entry: Entry) -> Iterator[None]:
        reason = "it cannot be loaded; the service's log says more."
        try:
            yield
            reason = ""
        except OperatorError as error:
            reason = explain_refusal(error)
            raise
        finally:
            if reason:
                with self._lock:
                    self._table.fail(entry, reason)

    def _finish(self, entry: Entry, classifier: Classifier, taken_bytes: int) -> list[Classifier]:
        if self._is_closed:
            return [classifier]
        closing = self._table.retire(entry.ref)
        self._table.add(entry)
        self._table.make_ready(entry, classifier, taken_bytes)
        for version in (entry.ref.version, LATEST):
            self._missing.pop(ModelRef(entry.ref.name, version), None)
        if entry.ref.name != self.desired:
            self._meanings.active.setdefault(entry.ref.name, entry.ref.version)
        return closing


def _close(classifiers: Iterable[Classifier]) -> None:
    for classifier in classifiers:
        classifier.close()
