"""Measure when drift is noticed, and that it is not where nothing changes.

python benchmarks/drift.py --weights FILE --photos DIR [--runs N]

MobileNetV2 classifies variants of the photos (another part of each, mirrored or not), as they are
and blurred, through the pipeline that serves. Traces are drawn from its answers and written into a
history in SQLite: a thousand predictions that become the reference, as many again, then either
more of the same or changed ones. What a worker does each minute is done after every 25: the drift
is measured.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import numpy as np
from PIL import Image, ImageFilter

from report import describe_machine, describe_versions
from topfive.bundles.store import open_bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import load_classifier
from topfive.engines import EngineOptions
from topfive.history.database import open_database
from topfive.history.ids import first_id_at
from topfive.history.migration import upgrade
from topfive.history.observing import KeptObservations
from topfive.history.records import PredictionRecord, RecordedModel
from topfive.history.writing import write_records
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.machine.probe import probe_machine
from topfive.predictions import CacheStatus, ClassScore, Timings
from topfive.registry.desired import ModelOptions
from topfive.service.live.drift import LiveDrift
from topfive.service.live.measures import MeasuredHistory
from topfive.training.pull import pull_bundle
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS

VARIANTS = 8
BLURS_PX = (1, 2, 4)
SAME, CHANGED = 2000, 1000
STEP = 25
# ImageNet's classes below are animals.
ANIMALS = 398
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

Answer = tuple[ClassScore, ...]
# Answers for the variants of each photo.
Pool = Sequence[Sequence[Answer]]
Draw = Callable[[np.random.Generator], Answer]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one trace showed: the first alarm's place behind the change, and the last distances."""

    first_alarm: int | None
    most_psi: float
    most_ks: float
    last: LiveDrift


def vary(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """Take a part of a photo, at least 70% of each side, and mirror every other one."""
    share = random.uniform(0.7, 1.0)
    width, height = (round(side * share) for side in photo.size)
    left, top = (
        int(random.integers(0, side - part + 1))
        for side, part in zip(photo.size, (width, height), strict=True)
    )
    part = photo.crop((left, top, left + width, top + height))
    is_mirrored = random.random() < 0.5
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if is_mirrored else part


def classify(classifier: Classifier, picture: Image.Image) -> Answer:
    """Send a picture, as a JPEG, through the pipeline that serves."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=90)
    prepared = classifier.prepare(sniff(file.getvalue(), classifier.limits))
    return classifier.infer(prepared.pixels, 5).classes


def classify_all(classifier: Classifier, photos: Sequence[Path]) -> tuple[Pool, dict[int, Pool]]:
    """Classify all variants, as they are and by the radius of a blur."""
    random = np.random.default_rng(0)
    plain: list[list[Answer]] = []
    blurred: dict[int, list[list[Answer]]] = {radius: [] for radius in BLURS_PX}
    for path in photos:
        photo = Image.open(path).convert("RGB")
        variants = [vary(photo, random) for _ in range(VARIANTS)]
        plain.append([classify(classifier, one) for one in variants])
        for radius, pool in blurred.items():
            blur = ImageFilter.GaussianBlur(radius)
            pool.append([classify(classifier, one.filter(blur)) for one in variants])
    return plain, blurred


def any_of(pool: Pool) -> Draw:
    """Draw any variant of any photo."""

    def draw(random: np.random.Generator) -> Answer:
        photo = pool[int(random.integers(len(pool)))]
        return photo[int(random.integers(len(photo)))]

    return draw


def mixed(pool: Pool, is_first: Sequence[bool], share: float) -> Draw:
    """Draw a variant, with this share from the first of two kinds of photos."""
    kinds = [[photo for photo, one in zip(pool, is_first, strict=True) if one is kind]
             for kind in (True, False)]  # fmt: skip
    first, second = (any_of(kind) for kind in kinds)
    return lambda random: first(random) if random.random() < share else second(random)


def some_among(pool: Pool, alike: int) -> Draw:
    """Draw so many variants of one photo one after the other, then any: a client's own batch."""
    rest = any_of(pool)
    left = iter(range(alike))
    return lambda random: (
        pool[0][int(random.integers(VARIANTS))] if next(left, None) is not None else rest(random)
    )


class Trace:
    """A history that is written prediction by prediction, and measured in between."""

    def __init__(self, folder: Path, model: RecordedModel, seed: int) -> None:
        self._database = open_database(f"sqlite:///{folder}/trace.db")
        upgrade(self._database)
        self._observations = KeptObservations(self._database)
        self._measures = MeasuredHistory(self._observations, lambda _: ())
        self._model = model
        self._random = np.random.default_rng(seed)
        self._count = 0

    def extend(self, draw: Draw, count: int) -> None:
        """Write predictions, one a second."""
        records = []
        for _ in range(count):
            at = BEGIN + timedelta(seconds=self._count)
            records.append(self._record(at, draw(self._random)))
            self._count += 1
        write_records(self._database, records)

    def measure(self) -> LiveDrift:
        """Measure the drift, and keep the reference, as a worker does."""
        (observed,) = self._observations.models()
        self._measures.keep_reference(observed)
        return self._measures.measure_drift(observed)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _record(self, at: datetime, answer: Answer) -> PredictionRecord:
        return PredictionRecord(
            UUID(int=first_id_at(at).int + self._count), at, "", 0, None, self._model, "/predict",
            "default", answer, Timings(0, 0, 0, 0, 0), CacheStatus.NONE,
            is_degraded=False, key_id="",
        )  # fmt: skip


def run_trace(model: RecordedModel, before: Draw, after: Draw, seed: int) -> Outcome:
    """Follow one trace to its end; an alarm before the change is the place it came at, below 0."""
    with TemporaryDirectory() as folder:
        trace = Trace(Path(folder), model, seed)
        found = list(_measure(trace, before, after))
        trace.close()
    alarms = [place for place, drift in found if drift.is_alarm]
    told = [one for _, one in found if one.classes and one.confidences]
    return Outcome(
        alarms[0] if alarms else None,
        max(one.classes.psi.value for one in told if one.classes),
        max(one.confidences.ks.value for one in told if one.confidences),
        told[-1],
    )


def _measure(trace: Trace, before: Draw, after: Draw) -> Iterator[tuple[int, LiveDrift]]:
    for draw, places in ((before, range(-SAME, 0, STEP)), (after, range(0, CHANGED, STEP))):
        for place in places:
            trace.extend(draw, STEP)
            yield place + STEP, trace.measure()


def describe(name: str, outcomes: Sequence[Outcome], *, is_change: bool) -> str:
    """Write a row: alarms, how soon they came, the largest distances, and what they were of."""
    early = sum(one.first_alarm is not None and one.first_alarm <= 0 for one in outcomes)
    alarms = [one.first_alarm for one in outcomes if one.first_alarm is not None]
    delay = f"{statistics.median(alarms):.0f} ({max(alarms)})" if alarms and is_change else ""
    psi, ks = (
        f"{statistics.median(values):.2f} ({max(values):.2f})"
        for values in ([one.most_psi for one in outcomes], [one.most_ks for one in outcomes])
    )
    cells = [name, f"{len(alarms)} of {len(outcomes)}", delay, psi, ks]
    if is_change:
        cells[1] += f", {early} before it" if early else ""
    return f"| {' | '.join(cells)} |"


def print_tables(model: RecordedModel, plain: Pool, blurred: dict[int, Pool], is_animal: list[bool],
                 runs: int) -> None:  # fmt: skip
    """Run all traces, and print a row for each kind."""
    same = any_of(plain)
    print(f"\n| {runs} traces each | alarm | predictions until it, median (most) "
          "| largest PSI, median (most) | largest KS distance, median (most) |")  # fmt: skip
    print("|---|---|---|---|---|")
    kinds: list[tuple[str, Draw, Draw, bool]] = [
        (f"nothing changes, over {SAME + CHANGED} predictions", same, same, False)
    ]
    kinds += [
        (f"blurred by {radius} px", same, any_of(pool), True) for radius, pool in blurred.items()
    ]
    share = statistics.mean(is_animal)
    for changed in (0.6, 0.75, 0.95):
        name = f"animals become {changed:.0%} in place of {share:.0%}"
        kinds.append((name, same, mixed(plain, is_animal, changed), True))
    for name, before, after, is_change in kinds:
        outcomes = [run_trace(model, before, after, seed) for seed in range(runs)]
        print(describe(name, outcomes, is_change=is_change), flush=True)
    for alike in (64, 250):
        outcomes = [run_trace(model, same, some_among(plain, alike), seed) for seed in range(runs)]
        print(describe(f"{alike} alike pictures in a row", outcomes, is_change=True), flush=True)


def print_shares(plain: Pool, blurred: dict[int, Pool]) -> None:
    """Print how sure the model is of the pictures as they are, and blurred."""
    print("\n| | mean confidence | best class as without blur |\n|---|---|---|")
    answers = [one for photo in plain for one in photo]
    for name, pool in (("as they are", plain), *((f"{one} px", blurred[one]) for one in blurred)):
        others = [one for photo in pool for one in photo]
        sure = statistics.mean(one[0].confidence for one in others)
        same = statistics.mean(
            one[0].class_id == other[0].class_id for one, other in zip(answers, others, strict=True)
        )
        print(f"| {name} | {sure:.3f} | {same:.3f} |")


def main() -> int:
    """Measure, and print what results/ keeps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--runs", type=int, default=20)
    asked = parser.parse_args()
    for name, fact in (describe_machine() | describe_versions(Path(sys.executable))).items():
        print(f"- {name}: {fact}")
    photos = sorted(asked.photos.glob("*.JPEG"))
    with TemporaryDirectory() as folder:
        models = Path(folder)
        pulled = pull_bundle(ModelOptions("mobilenet_v2", str(asked.weights), None, models))
        bundle = open_bundle(pulled)
        classifier = load_classifier(
            bundle, EngineOptions(), ImageLimits(), probe_machine().cpu_flags
        )
        model = RecordedModel("mobilenet_v2", "1", classifier.digest, bundle.labels)
        plain, blurred = classify_all(classifier, photos)
        classifier.close()
    print_shares(plain, blurred)
    is_animal = [photo[0][0].class_id < ANIMALS for photo in plain]
    print_tables(model, plain, blurred, is_animal, asked.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
