"""The loaded models of one worker: their leases, and which may make room. Its caller has a lock."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from topfive.bundles.versions import KnownBundle
from topfive.classify.classifier import Classifier
from topfive.errors import ModelTooLarge
from topfive.predictions import ModelRef
from topfive.registry.status import ModelState

_MIB = 1024**2


@dataclass(eq=False, slots=True)
class Entry:
    """One version of a model; `memory_bytes` is expected while it is loaded, then measured."""

    bundle: KnownBundle
    memory_bytes: int
    state: ModelState = ModelState.LOADING
    classifier: Classifier | None = None
    reason: str | None = None
    is_pinned: bool = False
    leases: int = 0
    last_used: int = 0

    @property
    def ref(self) -> ModelRef:
        """Its name and version."""
        return self.bundle.ref

    @property
    def is_ready(self) -> bool:
        """Whether it can be leased."""
        return self.state is ModelState.READY


class ModelTable:
    """Entries by name and version, and those that drain. What it returns is to be closed."""

    def __init__(self) -> None:
        self._entries: dict[ModelRef, Entry] = {}
        self._draining: list[Entry] = []
        self._uses = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter((*self._entries.values(), *self._draining))

    def get(self, ref: ModelRef) -> Entry | None:
        """Find the entry of a version that is not draining."""
        return self._entries.get(ref)

    @property
    def lease_count(self) -> int:
        """How many leases are out."""
        return sum(entry.leases for entry in self)

    @property
    def taken_bytes(self) -> int:
        """What all models take, those that are being loaded or drain included."""
        return sum(entry.memory_bytes for entry in self)

    def add(self, entry: Entry) -> None:
        """Put an entry in the place of one that is not loaded."""
        self._entries[entry.ref] = entry

    def make_ready(self, entry: Entry, classifier: Classifier, memory_bytes: int) -> None:
        """Let a classifier that has been loaded be leased."""
        entry.classifier, entry.memory_bytes = classifier, memory_bytes
        entry.state, entry.reason = ModelState.READY, None
        self._touch(entry)

    def fail(self, entry: Entry, reason: str) -> None:
        """Say in public words why an entry could not be loaded."""
        entry.state, entry.reason, entry.memory_bytes = ModelState.FAILED, reason, 0

    def acquire(self, entry: Entry) -> Classifier:
        """Lease a ready entry."""
        assert entry.classifier is not None  # noqa: S101 - a ready one has a classifier
        entry.leases += 1
        self._touch(entry)
        return entry.classifier

    def release(self, entry: Entry) -> list[Classifier]:
        """Take a lease back; the last one of a draining entry ends it."""
        entry.leases -= 1
        if entry.leases or entry.state is not ModelState.DRAINING:
            return []
        self._draining.remove(entry)
        return [entry.classifier] if entry.classifier else []

    def retire(self, ref: ModelRef) -> list[Classifier]:
        """Hand a version out no more; it is to be closed now, or after its last lease."""
        entry = self._entries.pop(ref, None)
        if entry is None or entry.classifier is None:
            return []
        if not entry.leases:
            return [entry.classifier]
        entry.state = ModelState.DRAINING
        self._draining.append(entry)
        return []

    def make_room(
        self, ref: ModelRef, wanted_bytes: int, limit_bytes: int, kept: Collection[ModelRef]
    ) -> list[Classifier]:
        """Retire those used least recently until there is room for `ref`; those `kept` stay.

        Raises ModelTooLarge, and retires none, if there would still be too little.
        """
        leaving = self.find_room(ref, wanted_bytes, limit_bytes, kept)
        return [closing for one in leaving for closing in self.retire(one)]

    def find_room(
        self, ref: ModelRef, wanted_bytes: int, limit_bytes: int, kept: Collection[ModelRef]
    ) -> list[ModelRef]:
        """List what would be retired to make room; raises as `make_room`."""
        free_bytes = limit_bytes - self.taken_bytes
        leaving = []
        for entry in sorted(self._entries.values(), key=lambda one: one.last_used):
            if free_bytes >= wanted_bytes:
                break
            if entry.is_ready and not (entry.leases or entry.is_pinned or entry.ref in kept):
                leaving.append(entry.ref)
                free_bytes += entry.memory_bytes
        if free_bytes < wanted_bytes:
            raise ModelTooLarge(
                f"{ref.name} {ref.version} needs about {wanted_bytes / _MIB:.0f} MB in each "
                f"worker, and of the {limit_bytes / _MIB:.0f} MB that models may take "
                f"{max(0, free_bytes) / _MIB:.0f} MB can be freed. Unload another, or set "
                "TOPFIVE_MODEL_MEMORY_BYTES higher."
            )
        return leaving

    def _touch(self, entry: Entry) -> None:
        self._uses += 1
        entry.last_used = self._uses
