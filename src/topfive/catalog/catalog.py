"""The live classifier and its stand-in, handed out by lease so that none closes while it works."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from topfive.classify.classifier import Classifier
from topfive.errors import ModelNotFound, ModelUnavailable

# How soon a caller may ask again while the model is still being fetched or loaded.
_RETRY_AFTER_S = 10


@dataclass(frozen=True, slots=True)
class CatalogState:
    """Which classifier serves now (None: none), whether it is the one asked for, and why not."""

    serving: Classifier | None
    is_desired: bool
    reason: str | None


class Catalog:
    """Holds the classifier for the desired model, or a fallback until that one is there."""

    def __init__(self, desired: str) -> None:
        self.desired = desired
        self._lock = Lock()
        self._state = CatalogState(None, is_desired=False, reason="The model is being loaded.")
        self._is_closed = False
        self._stand_in: Classifier | None = None
        self._leases: Counter[Classifier] = Counter()
        self._retired: set[Classifier] = set()

    @property
    def state(self) -> CatalogState:
        """What is served at this moment."""
        with self._lock:
            return self._state

    @property
    def lease_count(self) -> int:
        """How many leases are out."""
        with self._lock:
            return self._leases.total()

    def activate(self, classifier: Classifier) -> None:
        """Serve the desired model from now on; what served before closes after its last lease."""
        self._replace(CatalogState(classifier, is_desired=True, reason=None))

    def activate_fallback(self, classifier: Classifier, reason: str) -> None:
        """Serve a stand-in, and say why."""
        self._stand_in = classifier
        self._replace(CatalogState(classifier, is_desired=False, reason=reason))

    def is_stand_in(self, classifier: Classifier) -> bool:
        """Tell whether a classifier that was leased answers in place of the desired one."""
        return classifier is self._stand_in

    def explain(self, reason: str) -> None:
        """Change the reason why the desired model does not serve; nothing happens if it does."""
        with self._lock:
            if not self._state.is_desired:
                self._state = CatalogState(self._state.serving, is_desired=False, reason=reason)

    @contextmanager
    def lease(self, model: str | None, version: str | None) -> Iterator[Classifier]:
        """Hand out the serving classifier until the block ends.

        Raises ModelUnavailable if there is none yet, ModelNotFound if it is not the one named.
        """
        classifier = self._acquire(model, version)
        try:
            yield classifier
        finally:
            self._release(classifier)

    def close(self) -> None:
        """Stop serving for good; the classifier closes after its last lease."""
        with self._lock:
            self._is_closed = True
        self._replace(CatalogState(None, is_desired=False, reason="The service is stopping."))

    def _acquire(self, model: str | None, version: str | None) -> Classifier:
        with self._lock:
            state = self._state
            self._check_named(state, model, version)
            if state.serving is None:
                raise ModelUnavailable(
                    f"The model {self.desired} is not loaded yet. See /health for the reason.",
                    retry_after_s=_RETRY_AFTER_S,
                )
            self._leases[state.serving] += 1
            return state.serving

    def _check_named(self, state: CatalogState, model: str | None, version: str | None) -> None:
        serving = state.serving.ref if state.serving else None
        known = {self.desired} | ({serving.name} if serving else set())
        if model is not None and model not in known:
            raise ModelNotFound(
                "No model of that name is served here. See /info for the one that is."
            )
        if serving is None:
            return
        if model is not None and model != serving.name:
            raise ModelUnavailable(
                f"The model {self.desired} is not loaded yet. See /health for the reason.",
                retry_after_s=_RETRY_AFTER_S,
            )
        if version is not None and version != serving.version:
            raise ModelNotFound(
                "No such version of the model is served here. See /info for the one that is."
            )

    def _release(self, classifier: Classifier) -> None:
        with self._lock:
            self._leases[classifier] -= 1
            if self._leases[classifier] > 0:
                return
            del self._leases[classifier]
            is_retired = classifier in self._retired
            self._retired.discard(classifier)
        if is_retired:
            classifier.close()

    def _replace(self, state: CatalogState) -> None:
        with self._lock:
            former = self._state.serving
            if self._is_closed and state.serving is not None:
                # A load that was still under way when the service stopped.
                state.serving.close()
                return
            self._state = state
            if former is None or former is state.serving:
                return
            if self._leases[former] > 0:
                self._retired.add(former)
                return
            del self._leases[former]
        former.close()
