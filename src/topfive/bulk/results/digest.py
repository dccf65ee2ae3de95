"""One number for the answers of a shard: the same pictures give the same, whoever works on them."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from topfive.bulk.results.rows import ResultRow


def answers_sha256(rows: Iterable[ResultRow]) -> str:
    """Tell the SHA-256, hexadecimal, of rows in their order, without their timings.

    Confidences count as they are written, to six decimal places.
    """
    whole = hashlib.sha256()
    for row in rows:
        # A JSON array in ASCII has no line break: no two lists of rows have the same bytes.
        whole.update(json.dumps(_answer(row), separators=(",", ":")).encode("ascii") + b"\n")
    return whole.hexdigest()


def _answer(row: ResultRow) -> list[Any]:
    image = row.image
    return [
        row.index,
        row.path,
        row.size_bytes,
        row.sha256,
        [image.format, image.width, image.height] if image else None,
        [[one.class_id, one.class_name, round(one.confidence, 6)] for one in row.classes],
        row.error,
        row.detail,
    ]
