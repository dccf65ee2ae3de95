"""Results held against what they must be: every picture once, with the answer that the API has."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.bulk.command import read_rows
from topfive.bulk.inputs.names import show_name
from topfive.bulk.results.counting import count_pictures
from topfive.bulk.results.folder import open_results
from topfive.bulk.results.manifest import read_manifest
from topfive.bundles.store import demo_root
from topfive.engines import EngineOptions
from topfive.images.limits import ImageLimits
from topfive.images.sniff import sniff
from topfive.machine.probe import probe_machine
from topfive.registry.loader import LoadOptions, open_classifier

DIFFERENT = 8
TOP_K = 5


def draw_pictures(folder: Path, count: int, side: int) -> list[Path]:
    """Make many pictures that take some milliseconds each: a few files under many names."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(side)
    drawn = []
    for number in range(DIFFERENT):
        blocks = random.integers(0, 256, (side // 8, side // 8), dtype=np.uint8)
        drawn.append(folder / f"drawn-{number}")
        picture = Image.fromarray(blocks).resize((side, side), Image.Resampling.NEAREST)
        picture.save(drawn[-1], "PNG", compress_level=1)
    pictures = [folder / f"{number:06}.png" for number in range(count)]
    for number, picture in enumerate(pictures):
        os.link(drawn[number % DIFFERENT], picture)
    for one in drawn:
        one.unlink()
    return pictures


def require_exact(results: Path, pictures: Sequence[Path]) -> str:
    """Check that each picture is in the results once and nothing else is; tells their digest.

    Counted twice: by the product, which reads its manifest, and here, from the files alone.
    """
    folder = open_results(str(results))
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.state == "finished"
    assert manifest.totals.pictures == len(pictures)
    count = count_pictures(folder, manifest)
    assert count.is_exact, (count.missing, count.wrong, count.others)
    rows = read_rows(results)
    assert [row["index"] for row in rows] == list(range(len(pictures)))
    names = sorted(map(os.fsencode, pictures))
    assert [row["path"] for row in rows] == [show_name(name) for name in names]
    assert not list(results.glob("_topfive/writing/*"))
    return digest(map(bulk_answer, rows))


def digest(answers: Iterable[Any]) -> str:
    """Tell the SHA-256 of answers in their order."""
    whole = hashlib.sha256()
    for answer in answers:
        whole.update(json.dumps(answer, sort_keys=True).encode() + b"\n")
    return whole.hexdigest()


def bulk_answer(row: dict[str, Any]) -> dict[str, Any]:
    """Take out of a row of results what the API answers, too."""
    if row["error"]:
        return {"code": row["error"], "detail": row["detail"]}
    places = [place for place in range(1, TOP_K + 1) if row[f"class_id_{place}"] is not None]
    return {
        "image": {name: row[name] for name in ("format", "width", "height")},
        "predictions": [
            {
                "class_id": row[f"class_id_{place}"],
                "class_name": row[f"class_{place}"],
                "confidence": row[f"confidence_{place}"],
            }
            for place in places
        ],
    }


def api_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """Take out of the API's JSON what results have, too."""
    return {
        name: answer[name] for name in ("image", "predictions", "code", "detail") if name in answer
    }


def classify_here(pictures: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Classify good pictures by the embedded model in this process, each different one once."""
    flags, limits = probe_machine().cpu_flags, ImageLimits()
    options = LoadOptions(EngineOptions("auto", "auto"), limits, flags)
    classifier = open_classifier(demo_root() / "digits/1", options)
    try:
        known: dict[bytes, dict[str, Any]] = {}
        for picture in pictures:
            data = picture.read_bytes()
            if data not in known:
                found = classifier.classify(sniff(data, limits), TOP_K)
                known[data] = {
                    "image": asdict(found.image),
                    "predictions": [
                        asdict(one) | {"confidence": round(one.confidence, 6)}
                        for one in found.classes
                    ],
                }
            yield known[data]
    finally:
        classifier.close()
