"""Figures beside the bounds that are asked of them, laid out as Markdown tables."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """What is asked of a figure: of the median of its repeats, or of every one."""

    limit: float
    words: str
    is_floor: bool = False
    is_strict: bool = False
    for_every: bool = False

    def holds(self, values: Sequence[float]) -> bool:
        """Say whether the figure is within the bound; nothing measured is not."""
        if not values or any(math.isnan(value) for value in values):
            return False
        worst = min(values) if self.is_floor else max(values)
        value = worst if self.for_every else statistics.median(values)
        if self.is_floor:
            return value >= self.limit
        return value < self.limit if self.is_strict else value <= self.limit


def at_least(limit: float) -> Bound:
    """Ask for a median of `limit` or more."""
    return Bound(limit, f"at least {limit:g}", is_floor=True)


def at_most(limit: float) -> Bound:
    """Ask for a median of `limit` or less."""
    return Bound(limit, f"at most {limit:g}")


def under(limit: float) -> Bound:
    """Ask for a median below `limit`."""
    return Bound(limit, f"under {limit:g}", is_strict=True)


def none() -> Bound:
    """Ask for zero in every repeat."""
    return Bound(0, "none", for_every=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """One cell of a table: a value per repeat, or words where there is no number."""

    measure: str
    case: str
    values: Sequence[float] = ()
    digits: int = 1
    bound: Bound | None = None
    words: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the bound holds; a finding without one cannot fail."""
        return self.bound is None or self.bound.holds(self.values)

    def __str__(self) -> str:
        """Write the median, and the lowest and highest of several values."""
        if not self.values:
            return self.words or "not measured"
        low, median, high = (
            self._format(pick(self.values)) for pick in (min, statistics.median, max)
        )
        return median if low == high else f"{median} ({low} to {high})"

    def _format(self, value: float) -> str:
        if math.isnan(value):
            return "not measured"
        # Minus zero would read as if something had shrunk.
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class Section:
    """One table and what a reader needs to understand it."""

    title: str
    lines: Sequence[str]
    findings: Sequence[Finding]
    failure: str = ""

    @property
    def unmet(self) -> list[str]:
        """Name each bound that does not hold, and a section that could not be measured."""
        failed = [f"{self.title}: {self.failure}"] if self.failure else []
        return failed + [
            f"{self.title}, {one.case}: {one.measure} is {one}, asked: {one.bound.words}"
            for one in self.findings
            if one.bound and not one.is_met
        ]


def format_section(section: Section) -> list[str]:
    """Write a section as Markdown: a row for each measure, a column for each case."""
    cases = list(dict.fromkeys(one.case for one in section.findings))
    measures = list(dict.fromkeys(one.measure for one in section.findings))
    head = ["measure", *cases, "asked", "result"]
    rows = [_format_row(section, measure, cases) for measure in measures]
    table = [head, ["---", *("---:" for _ in cases), "---", "---"], *rows] if rows else []
    failure = [f"Not measured: {section.failure}", ""] if section.failure else []
    return [
        f"## {section.title}",
        "",
        *(part for line in section.lines for part in (line, "")),
        *failure,
        *(f"| {' | '.join(cells)} |" for cells in table),
        "",
    ]


def _format_row(section: Section, measure: str, cases: Sequence[str]) -> list[str]:
    found = {one.case: one for one in section.findings if one.measure == measure}
    cells = [str(found[case]) if case in found else "" for case in cases]
    bounded = [one for one in found.values() if one.bound]
    asked = _format_bounds(bounded, names_cases=len(bounded) < len(found))
    return [measure, *cells, asked, _format_result(bounded)]


def _format_bounds(bounded: Sequence[Finding], *, names_cases: bool) -> str:
    words = {one.case: one.bound.words for one in bounded if one.bound}
    by_words = {text: [case for case in words if words[case] == text] for text in words.values()}
    if len(by_words) <= 1 and not names_cases:
        return next(iter(by_words), "")
    return "; ".join(f"{text} ({', '.join(cases)})" for text, cases in by_words.items())


def _format_result(bounded: Sequence[Finding]) -> str:
    missed = [one.case for one in bounded if not one.is_met]
    if missed:
        return f"not met: {', '.join(missed)}"
    return "met" if bounded else ""
