"""Compares a new version with one before it, on photos that neither has learned from."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from topfive.bundles.manifest import ComparisonSection
from topfive.bundles.store import Bundle
from topfive.bundles.versions import bundle_digest
from topfive.classify.loading import load_classifier
from topfive.datasets.dataset import LabelledPhoto, Part
from topfive.engines.contract import EngineOptions
from topfive.errors import DatasetRefused
from topfive.evaluation.answers import Answers, classify_photos
from topfive.evaluation.comparison import SIGNIFICANCE, Comparison, compare, mcnemar_p_value
from topfive.evaluation.photos import read_split, share_classes
from topfive.images.limits import ImageLimits
from topfive.machine.probe import probe_machine

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ComparablePhotos:
    """Photos that the baseline has not learned from and whose classes it knows, by its class ids.

    It was measured on `former` photos when it was made, and `former_here` of them are among these.
    `of_new_classes` and `learned` more are left out: of classes that it does not have, and those
    that it has learned from or was chosen by.
    """

    photos: tuple[LabelledPhoto, ...]
    former: int
    former_here: int
    of_new_classes: int
    learned: int


def choose_comparable(
    photos: Sequence[LabelledPhoto], classes: tuple[str, ...], baseline: Bundle
) -> ComparablePhotos:
    """Choose the comparable ones of photos that the new version has not learned from.

    Their class ids count its `classes`. Raises DatasetRefused if there is none.
    """
    parts = read_split(baseline)
    unseen = take_unseen(photos, parts)
    if not unseen:
        raise DatasetRefused(
            f"All photos to compare with {baseline.manifest.reference} on were learned from by one "
            "of the two versions, or it was chosen by them. Give photos that were held out, or new "
            "ones."
        )
    _, known = share_classes(unseen, classes, baseline.labels)
    former = {sha256 for sha256, part in parts.items() if part == "held_out"}
    return ComparablePhotos(
        known,
        former=len(former),
        former_here=len(former & {one.sha256 for one in known}),
        of_new_classes=len(unseen) - len(known),
        learned=len(photos) - len(unseen),
    )


def take_unseen(
    photos: Sequence[LabelledPhoto], parts: Mapping[str, Part]
) -> tuple[LabelledPhoto, ...]:
    """Take the photos that a version of this split has neither learned from nor was chosen by."""
    return tuple(one for one in photos if parts.get(one.sha256) in (None, "held_out"))


def answer(bundle: Bundle, photos: Sequence[LabelledPhoto], report: Report) -> Answers:
    """Have a bundle classify photos by the pipeline that serves; raises EngineRefused."""
    flags = probe_machine().cpu_flags
    classifier = load_classifier(bundle, EngineOptions(), ImageLimits(), flags)
    try:
        return classify_photos(classifier, photos, report)
    finally:
        classifier.close()


def compare_with(
    baseline: Bundle, comparable: ComparablePhotos, answers: Answers, report: Report
) -> Comparison:
    """Compare the new version's answers with the baseline's, for photos that both classify."""
    return compare(answer(baseline, comparable.photos, report), answers)


def summarise(
    comparison: Comparison, comparable: ComparablePhotos, baseline: Bundle
) -> ComparisonSection:
    """Give what a manifest says of a comparison."""
    return ComparisonSection(
        baseline=baseline.manifest.reference,
        digest=bundle_digest(baseline.manifest),
        photos=comparison.count,
        former_photos=comparable.former,
        former_here=comparable.former_here,
        top1_before=round(comparison.first.value, 6),
        top1_after=round(comparison.second.value, 6),
        p_value=comparison.p_value,
        is_better=comparison.is_better,
    )


def format_comparison(
    comparison: Comparison, comparable: ComparablePhotos, baseline: Bundle
) -> str:
    """Write a comparison as the JSON that a bundle keeps; `first` is the baseline."""
    section = summarise(comparison, comparable, baseline)
    document = {
        "baseline": section.baseline,
        "baseline_digest": section.digest,
        **comparison.to_document(),
        "former_photos": comparable.former,
        "former_photos_here": comparable.former_here,
        "left_out_of_new_classes": comparable.of_new_classes,
        "left_out_as_learned": comparable.learned,
    }
    return json.dumps(document, indent=2) + "\n"


def count_needed() -> int:
    """Tell how many photos one version alone must get right, at the least, to be found better."""
    count = 1
    while mcnemar_p_value(0, count) >= SIGNIFICANCE:
        count += 1
    return count
