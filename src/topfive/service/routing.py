"""Which model gets a request, and what becomes of it: canaries are judged, shadows see it too."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Protocol

from topfive.bundles.versions import ModelReference, split_reference
from topfive.classify.classifier import Classifier, Prepared, Scored
from topfive.errors import EngineRefused, InvalidParameter, ModelNotFound, ModelUnavailable
from topfive.models import RollbackView, RouteView, ShadowView, TargetView
from topfive.predictions import ModelRef, do_nothing
from topfive.registry.canary import CanaryOptions, CanaryWatch
from topfive.registry.registry import Registry
from topfive.registry.routes import DEFAULT_ALIAS, Router, has_canary, roll_back
from topfive.registry.shadow import AnsweredPicture, NoShadows, Shadows
from topfive.telemetry.access import AccessLog


@dataclass(frozen=True, slots=True)
class Choice:
    """The model chosen for a request (None: the one that answers by default), and by which route.

    `target` is None where no route has chosen it.
    """

    reference: ModelReference | None = None
    alias: str = ""
    target: TargetView | None = None
    shadow: ShadowView | None = None
    is_watched: bool = False


class Leased(NamedTuple):
    """A classifier that is not closed while it is leased, and how it was chosen."""

    choice: Choice
    classifier: Classifier


class RollsBack(Protocol):
    """Takes a target off its route, in this worker or in all; tells whether it still was on it."""

    def __call__(self, alias: str, target: TargetView, rollback: RollbackView) -> bool:
        """Give the target no weight any more."""
        ...


class Routing:
    """The routes of one worker at work; safe to call from many threads."""

    def __init__(
        self,
        registry: Registry,
        access_log: AccessLog,
        routes: Mapping[str, RouteView] | None = None,
        watch: CanaryWatch | None = None,
        shadows: Shadows | NoShadows | None = None,
    ) -> None:
        self._registry = registry
        self._access_log = access_log
        self._router = Router(routes or {})
        self._watch = watch or CanaryWatch(CanaryOptions())
        self._shadows = shadows or NoShadows()
        self._roll_back: RollsBack = self.roll_back_here

    @property
    def routes(self) -> Mapping[str, RouteView]:
        """The routes in force."""
        return self._router.routes

    def replace(self, routes: Mapping[str, RouteView]) -> None:
        """Put other routes into force; the canaries of those that changed are judged anew."""
        for alias, route in self.routes.items():
            if routes.get(alias) != route:
                self._watch.forget(alias)
        self._router.replace(routes)

    def roll_back_with(self, take_off: RollsBack) -> None:
        """Have `take_off` take canaries off their routes."""
        self._roll_back = take_off

    @contextmanager
    def lease(self, model: str | None, version: str | None, key: str = "") -> Iterator[Leased]:
        """Hand out what a request is to get until the block ends, and tell how it was chosen.

        Raises ModelNotFound, ModelUnavailable, or InvalidParameter where two versions are named.
        """
        with ExitStack() as stack:
            choice = self._choose(model, version, key)
            try:
                classifier = stack.enter_context(self._registry.lease(choice.reference))
            except (ModelNotFound, ModelUnavailable):
                if choice.target is None:
                    raise
                # It was unloaded after it was chosen: another target is.
                choice = self._choose(model, version, key)
                classifier = stack.enter_context(self._registry.lease(choice.reference))
            yield Leased(choice, classifier)

    def name(self, model: str | None, version: str | None) -> ModelReference | None:
        """Say what is meant by a model (`name@version` too), a version, or neither, without routes.

        Raises InvalidParameter where two versions are named.
        """
        if model is None:
            if version is None:
                return None
            serving = self._registry.state.serving
            return ModelReference(serving.ref.name if serving else self._registry.desired, version)
        name, within = split_reference(model)
        if within is not None and version not in (None, within):
            raise InvalidParameter("`model` and `version` name two versions. Name one.")
        return ModelReference(name, version if within is None else within)

    @contextmanager
    def noting_error(self, choice: Choice, model: ModelRef) -> Iterator[None]:
        """Count what goes wrong in the block as the model's own error."""
        has_failed = True
        try:
            yield
            has_failed = False
        finally:
            if has_failed:
                self._access_log.record_model_error(model)
                if choice.target and choice.is_watched:
                    self._watch.record_error(choice.alias, choice.target)
                    self._judge(choice.alias)

    def record_refused_heatmaps(self, model: ModelRef, refusal: EngineRefused) -> None:
        """Tell that a model answers without heatmaps from now on, and why."""
        self._access_log.record_refused_heatmaps(model, str(refusal))

    def follow_up(
        self, choice: Choice, classifier: Classifier, scored: Scored, prepared: Prepared | None
    ) -> Callable[[], None]:
        """Make what is to be called once the answer is made: canaries are judged, shadows see it.

        It waits for nobody. Without `prepared` there is no picture for a shadow.
        """
        if choice.target is None:
            return do_nothing
        picture = None
        if choice.shadow and prepared:
            labels, best = classifier.bundle.labels, scored.classes[0]
            picture = AnsweredPicture(prepared, best, labels, classifier.ref)
        return partial(self._follow_up, choice, picture, scored.inference_ms)

    def roll_back_here(self, alias: str, target: TargetView, rollback: RollbackView) -> bool:
        """Take a target off its route in this worker alone."""
        route = self._router.find(alias)
        after = roll_back(route, target, rollback) if route else route
        if after is None or after is route:
            return False
        self.replace({**self.routes, alias: after})
        return True

    def close(self) -> None:
        """Stop the shadows."""
        self._shadows.close()

    def _follow_up(
        self, choice: Choice, picture: AnsweredPicture | None, inference_ms: float
    ) -> None:
        if choice.target and choice.is_watched:
            self._watch.record_success(choice.alias, choice.target, inference_ms)
            self._judge(choice.alias)
        if choice.shadow and picture:
            self._shadows.offer(choice.shadow, picture)

    def _choose(self, model: str | None, version: str | None, key: str) -> Choice:
        """Choose by a route, unless a version is named, or a model that is no alias."""
        alias = DEFAULT_ALIAS if model is None else model
        route = self._router.find(alias) if version is None else None
        if route is None:
            return Choice(self.name(model, version))
        target = self._router.choose(alias, route, key, self._is_ready)
        if alias == DEFAULT_ALIAS and not self._is_ready(target):
            # None is: then what answers without routes does.
            return Choice()
        reference = ModelReference(target.model, target.version)
        return Choice(reference, alias, target, route.shadow, has_canary(route))

    def _is_ready(self, target: TargetView) -> bool:
        return self._registry.has_ready(ModelReference(target.model, target.version))

    def _judge(self, alias: str) -> None:
        route = self._router.find(alias)
        verdict = self._watch.judge(alias, route) if route else None
        if verdict is None:
            return
        model = self._find_model(verdict.target)
        rollback = RollbackView(model.name, model.version, verdict.reason, datetime.now(UTC))
        if self._roll_back(alias, verdict.target, rollback):
            self._access_log.record_rollback(alias, model, verdict.cause, verdict.reason)

    def _find_model(self, target: TargetView) -> ModelRef:
        return ModelRef(target.model, target.version or self._registry.active(target.model) or "")
