"""Canaries: targets of a route that try something new, and when one is to be taken off it."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from threading import Lock
from time import monotonic

from topfive.bundles.versions import ModelReference
from topfive.models import RouteView, TargetView

# Of a window that holds more, the newest are looked at.
_MAX_OUTCOMES = 2000
# A canary is slow only if chance alone would show as much once in so many looks.
_BY_CHANCE_ONCE_IN = 10_000
_JUDGED_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class CanaryOptions:
    """When a canary is rolled back: by what its requests of the last `window_s` seconds were.

    `max_error_rate` is a share of them (0 to 1); `max_p99_ratio` how many times the p99 of the
    route's main target its own may be. Fewer than `min_requests` are never judged.
    """

    max_error_rate: float = 0.05
    max_p99_ratio: float = 2.0
    window_s: float = 60.0
    min_requests: int = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """A canary that is to be taken off its route: which, and why in public words."""

    target: TargetView
    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    at_s: float
    inference_ms: float
    is_error: bool


class _Window:
    """The outcomes of one target in the last seconds."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._outcomes: deque[_Outcome] = deque(maxlen=_MAX_OUTCOMES)

    def add(self, outcome: _Outcome) -> None:
        self._outcomes.append(outcome)

    def forget_before(self, now_s: float) -> None:
        while self._outcomes and self._outcomes[0].at_s < now_s - self._window_s:
            self._outcomes.popleft()

    def __len__(self) -> int:
        return len(self._outcomes)

    @property
    def error_rate(self) -> float:
        return sum(one.is_error for one in self._outcomes) / max(1, len(self._outcomes))

    @property
    def began_s(self) -> float:
        return self._outcomes[0].at_s if self._outcomes else 0.0

    def sorted_ms(self, since_s: float) -> list[float]:
        return sorted(
            one.inference_ms for one in self._outcomes if one.at_s >= since_s and not one.is_error
        )


class CanaryWatch:
    """Notes what becomes of routed requests, and judges the canaries among their targets.

    The target with the most weight is what canaries are compared with; all others that have a
    weight are canaries. Safe to call from many threads.
    """

    def __init__(self, options: CanaryOptions, clock: Callable[[], float] = monotonic) -> None:
        self._options = options
        self._clock = clock
        self._lock = Lock()
        self._windows: dict[tuple[str, str, str | None], _Window] = {}
        self._judged_s: dict[str, float] = {}

    def record_success(self, alias: str, target: TargetView, inference_ms: float) -> None:
        """Note that a target has answered, and how long its inference took."""
        self._record(alias, target, _Outcome(self._clock(), inference_ms, is_error=False))

    def record_error(self, alias: str, target: TargetView) -> None:
        """Note that a target could not answer, by no fault of the picture or the caller."""
        self._record(alias, target, _Outcome(self._clock(), 0.0, is_error=True))

    def judge(self, alias: str, route: RouteView) -> Verdict | None:
        """Find a canary of a route that is to be rolled back; looks at most twice a second."""
        now_s = self._clock()
        with self._lock:
            if now_s - self._judged_s.get(alias, -_JUDGED_EVERY_S) < _JUDGED_EVERY_S:
                return None
            self._judged_s[alias] = now_s
            return next(self._verdicts(alias, route, now_s), None)

    def forget(self, alias: str) -> None:
        """Begin anew with an alias, whose route has changed."""
        with self._lock:
            for key in [key for key in self._windows if key[0] == alias]:
                del self._windows[key]

    def _record(self, alias: str, target: TargetView, outcome: _Outcome) -> None:
        with self._lock:
            self._window(alias, target).add(outcome)

    def _window(self, alias: str, target: TargetView) -> _Window:
        key = (alias, target.model, target.version)
        if key not in self._windows:
            self._windows[key] = _Window(self._options.window_s)
        return self._windows[key]

    def _verdicts(self, alias: str, route: RouteView, now_s: float) -> Iterator[Verdict]:
        main, *canaries = _by_role(route)
        for target in (main, *canaries):
            self._window(alias, target).forget_before(now_s)
        baseline = self._window(alias, main)
        for target in canaries:
            window = self._window(alias, target)
            if len(window) < self._options.min_requests:
                continue
            verdict = self._judge_errors(target, window) or self._judge_p99(
                target, window, main, baseline
            )
            if verdict:
                yield verdict

    def _judge_errors(self, target: TargetView, window: _Window) -> Verdict | None:
        rate, most = window.error_rate, self._options.max_error_rate
        if rate <= most:
            return None
        return Verdict(
            target,
            "errors",
            f"{rate:.1%} of its last {len(window)} requests failed; at most {most:.1%} may.",
        )

    def _judge_p99(
        self, target: TargetView, window: _Window, main: TargetView, baseline: _Window
    ) -> Verdict | None:
        # Over the same time, so that what slowed the whole machine is held against neither.
        since_s = max(window.began_s, baseline.began_s)
        own_ms, main_ms = window.sorted_ms(since_s), baseline.sorted_ms(since_s)
        if min(len(own_ms), len(main_ms)) < self._options.min_requests:
            return None
        p99_ms, main_p99_ms = _p99(own_ms), _p99(main_ms)
        most_ms = main_p99_ms * self._options.max_p99_ratio
        slow = len(own_ms) - bisect_right(own_ms, most_ms)
        if p99_ms <= most_ms or _may_be_chance(slow, len(own_ms)):
            return None
        return Verdict(
            target,
            "p99",
            f"the p99 of its inference is {p99_ms:.1f} ms; "
            f"{ModelReference(main.model, main.version)} has {main_p99_ms:.1f} ms, and at most "
            f"{self._options.max_p99_ratio:g} times that is allowed.",
        )


def _by_role(route: RouteView) -> list[TargetView]:
    """List the targets that have a weight, the one with the most first."""
    return sorted((one for one in route.targets if one.weight), key=lambda one: -one.weight)


def _p99(sorted_ms: list[float]) -> float:
    """Give the nearest-rank 99th percentile; 0 of nothing."""
    return sorted_ms[ceil(0.99 * len(sorted_ms)) - 1] if sorted_ms else 0.0


def _may_be_chance(slow: int, total: int) -> bool:
    """Tell whether so many of `total` may lie beyond a bound that one in a hundred lies beyond.

    It is the upper tail of the binomial distribution.
    """
    if slow > total * 0.05 + 10:
        return False
    term = below = 0.99**total
    for number in range(1, slow):
        term *= (total - number + 1) / number * (0.01 / 0.99)
        below += term
    return slow == 0 or (1 - below) * _BY_CHANCE_ONCE_IN > 1
