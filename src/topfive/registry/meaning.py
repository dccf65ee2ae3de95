"""Which loaded version a name means, which one answers by default, and which of them stay.

Its caller has a lock; classifiers that it returns are to be closed.
"""

from topfive.bundles.versions import ModelReference
from topfive.classify.classifier import Classifier
from topfive.errors import ModelBusy
from topfive.predictions import ModelRef
from topfive.registry.status import ModelState
from topfive.registry.table import Entry, ModelTable

# A version of a model, or what may mean one.
Reference = ModelReference | ModelRef


class Meanings:
    """The active version of each name, the fallback, and what is kept or routed."""

    def __init__(self, desired: str, table: ModelTable) -> None:
        self.desired = desired
        self.active: dict[str, str] = {}
        self.kept: frozenset[ModelRef] = frozenset()
        self.routed: frozenset[ModelRef] = frozenset()
        self.fallback: ModelRef | None = None
        self.stand_in: Classifier | None = None
        self._table = table

    def find_loaded(self, reference: Reference) -> Entry | None:
        """Find the ready entry that is meant."""
        version = reference.version
        if version is None:
            version = self.active.get(reference.name, "")
        entry = self._table.get(ModelRef(reference.name, version))
        return entry if entry is not None and entry.is_ready else None

    def find_desired(self) -> Entry | None:
        """Find the desired model's active version, if it is ready."""
        return self.find_loaded(ModelReference(self.desired))

    def find_default(self) -> Entry | None:
        """Find what answers those who name no model: the desired one, or else the fallback."""
        entry = self.find_desired()
        if entry is None and self.fallback is not None:
            entry = self.find_loaded(self.fallback)
        return entry

    def let_stand_in(self, entry: Entry) -> None:
        """Let a ready entry answer in place of the desired one."""
        self.fallback, self.stand_in = entry.ref, entry.classifier

    def switch(self, ref: ModelRef) -> list[Classifier]:
        """Make a version the active one; retire the one that was, and the fallback."""
        former = self.active.get(ref.name)
        self.active[ref.name] = ref.version
        leaving = [ModelRef(ref.name, former)] if former and former != ref.version else []
        if ref.name == self.desired and self.fallback is not None:
            leaving.append(self.fallback)
            if self._stays(self.fallback):
                self.stand_in = None
            self.fallback = None
        return [
            one for left in leaving if not self._stays(left) for one in self._table.retire(left)
        ]

    def forget(self, ref: ModelRef) -> None:
        """Let a name mean no version that is not loaded any more."""
        if self.active.get(ref.name) == ref.version:
            del self.active[ref.name]

    def list_protected(self) -> frozenset[ModelRef]:
        """List what is never unloaded to make room: what is routed, and what answers by default."""
        default = self.find_default()
        return self.routed | ({default.ref} if default else set())

    def require_unused(self, ref: ModelRef) -> None:
        """Do nothing for a version that may be unloaded; raises ModelBusy, and why, for another."""
        entry, default = self._table.get(ref), self.find_default()
        has_others = any(one.ref.name == ref.name and one.ref != ref for one in self._table)
        is_active = self.active.get(ref.name) == ref.version
        told = f"{ref.name} {ref.version}"
        if entry is not None and entry.state is ModelState.LOADING:
            raise ModelBusy(f"{told} is being loaded. Unload it when it is.")
        if entry is not None and entry.is_pinned:
            raise ModelBusy(f"TOPFIVE_MODELS names {told}, so that it stays loaded.")
        if ref in self.routed:
            raise ModelBusy(f"A route leads to {told}. Change the route first.")
        if (default is not None and default.ref == ref) or (is_active and has_others):
            raise ModelBusy(f"{told} is the active version. Activate another one first.")

    def _stays(self, ref: ModelRef) -> bool:
        entry = self._table.get(ref)
        return ref in self.kept | self.routed or (entry is not None and entry.is_pinned)
