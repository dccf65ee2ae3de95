"""Decides whether a version is so much better than the one that serves that it may take over."""

from dataclasses import dataclass

from topfive.bundles.manifest import ComparisonSection, Manifest
from topfive.errors import PromotionRefused


@dataclass(frozen=True, slots=True)
class Serving:
    """The version of a model that serves, and its bundle's digest."""

    version: str
    digest: str


def check_promotion(
    candidate: Manifest, serving: Serving, comparison: ComparisonSection | None
) -> ComparisonSection:
    """Give the comparison back that lets a candidate take over from what serves.

    Raises PromotionRefused, with the figures, where it was not compared with that very bundle, on
    too few of the photos that one was measured on, or is not better beyond what chance explains.
    """
    title = candidate.reference
    if comparison is None or comparison.digest != serving.digest:
        raise PromotionRefused(_not_compared(title, serving, comparison))
    if not is_mostly_here(comparison.former_photos, comparison.former_here):
        raise PromotionRefused(
            f"{title} was compared on only {comparison.former_here} of the "
            f"{comparison.former_photos} photos that {comparison.baseline} was measured on: it may "
            f"have lost what that one knows. {_compare_again(title)} {_by_hand(title)}"
        )
    if not comparison.is_better:
        raise PromotionRefused(f"{describe(title, comparison)} {_by_hand(title)}")
    return comparison


def is_mostly_here(former: int, former_here: int) -> bool:
    """Tell whether at least half of the photos that a version was measured on are here."""
    return 2 * former_here >= former


def describe(title: str, comparison: ComparisonSection) -> str:
    """Say in words how a version does beside the one that it was compared with."""
    before, after = comparison.top1_before, comparison.top1_after
    figures = (
        f"{after:.3f} of {comparison.photos} photos are right, with {comparison.baseline} "
        f"{before:.3f} (p = {comparison.p_value:.2g})"
    )
    if comparison.is_better:
        return f"{title} is better than {comparison.baseline} beyond chance: {figures}."
    if after > before:
        return f"{title} may be better than {comparison.baseline} by chance alone: {figures}."
    return f"{title} is not better than {comparison.baseline}: {figures}."


def _not_compared(title: str, serving: Serving, comparison: ComparisonSection | None) -> str:
    what = "no other version" if comparison is None else comparison.baseline
    return (
        f"{title} was compared with {what}, and what serves is version {serving.version} "
        f"(sha256:{serving.digest[:12]}). {_compare_again(title)}"
    )


def _compare_again(title: str) -> str:
    return f"Compare them on photos: topfive promote {title} --photos PHOTOS."


def _by_hand(title: str) -> str:
    return f"To have it serve all the same: topfive models activate {title}."
