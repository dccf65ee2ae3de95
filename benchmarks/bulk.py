"""Measure bulk scoring: answers and speed beside the API, memory, going on, bytes.

python benchmarks/bulk.py [--pictures 6000] [--long 100000] [--repeats 3] [--out FILE.md]

Everything works on the same photos, under many names, with one and the same bundle, in turn in one
run; the least of it is how two versions of topfive are compared. It takes about 25 minutes.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from bulk_answers import compare_answers, show_answers
from bulk_memory import measure_long, show_memory
from bulk_speed import SpeedScene, measure_speed, show_speed
from materials import Extent, Materials, describe
from report import describe_machine, describe_versions
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, REPOSITORY, list_photos

PACKAGES = ("topfive", "ray", "pyarrow", "openvino", "pillow", "numpy")
DEFAULT_HOSTILE = REPOSITORY / "../shared/hostile/images"


def multiply(photos: Sequence[Path], folder: Path, count: int) -> Path:
    """Put photos into a folder under as many names as are asked for, in folders of a thousand."""
    kept = folder.with_name(f"{folder.name}-kept")
    kept.mkdir(parents=True)
    copies = [kept / f"{number}{one.suffix}" for number, one in enumerate(photos)]
    for photo, copy in zip(photos, copies, strict=True):
        copy.write_bytes(photo.read_bytes())
    for number in range(count):
        place = folder / f"{number // 1000:04}" / f"{number:07}.jpg"
        if not number % 1000:
            place.parent.mkdir(parents=True)
        os.link(copies[number % len(copies)], place)
    return folder


def measure(given: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Measure what was asked for; gives lines of Markdown."""
    script = Path(sys.executable).parent / "topfive"
    materials = Materials(script, given.weights, given.photos, Path(), folder, Extent())
    photos = list_photos(given.photos)
    settings = {
        "TOPFIVE_MODEL": "mobilenet_v2",
        "TOPFIVE_WEIGHTS": str(given.weights.absolute()),
        "TOPFIVE_MODELS_DIR": str(folder / "models"),
    }
    with materials.serving("prepare") as server:
        # It makes the bundle that all the others open.
        yield f"- model: {describe(server)}"
    if "answers" in given.only:
        hostile = sorted(one for one in given.hostile.rglob("*") if one.is_file())
        yield from show_answers(compare_answers(materials, [*photos, *hostile], settings))
    if "speed" in given.only:
        pictures = multiply(photos, folder / "some", given.pictures)
        scene = SpeedScene(materials, pictures, settings, given.shard_pictures)
        yield from show_speed(measure_speed(scene, given.repeats))
    if "memory" in given.only:
        pictures = multiply(photos, folder / "many", given.long)
        found = measure_long(pictures, folder / "long", settings, given.shard_pictures)
        yield from show_memory(found)


def introduce(given: argparse.Namespace) -> Iterator[str]:
    """Tell what is measured, where."""
    yield "# Bulk scoring: speed, memory, going on"
    yield ""
    yield f"- date: {datetime.now(UTC).date()}"
    facts = describe_machine() | describe_versions(Path(sys.executable), PACKAGES)
    yield from (f"- {name}: {value}" for name, value in facts.items())
    yield f"- command: `{shlex.join(['.venv/bin/python', *sys.argv])}`"
    yield f"- shards of {given.shard_pictures} pictures, results in Parquet"


def main() -> None:
    """Measure, print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--hostile", type=Path, default=DEFAULT_HOSTILE, help="bad pictures")
    parser.add_argument("--pictures", type=int, default=6000, help="of each run for speed")
    parser.add_argument("--repeats", type=int, default=3, help="of all runs for speed")
    parser.add_argument("--long", type=int, default=100_000, help="of the run for memory")
    parser.add_argument("--shard-pictures", type=int, default=200)
    parser.add_argument(
        "--only", default="answers,speed,memory", help="parts, with commas between them"
    )
    parser.add_argument("--out", type=Path, help="where the report is written, too")
    given = parser.parse_args()
    given.only = given.only.split(",")
    lines = []
    with TemporaryDirectory(prefix="bulk-") as folder:
        for line in chain(introduce(given), measure(given, Path(folder))):
            lines.append(line)
            print(line, flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
