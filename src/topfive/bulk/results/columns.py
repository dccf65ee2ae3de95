"""The columns of a run's results, the same in every table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from topfive.bulk.results.rows import ReadTimings, ResultRow
from topfive.predictions import ClassScore, ImageInfo, ModelRef

# How many classes a picture gets; a model may have fewer.
TOP_K = 5


class Kind(Enum):
    """What the values of a column are."""

    TEXT = "text"
    WHOLE = "whole number"
    LARGE = "large whole number"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, what its values are, and how one is read; it may be None."""

    name: str
    kind: Kind
    read: Callable[[ResultRow, ModelRef], Any]


def _class_columns(place: int) -> list[Column]:
    """Make the columns of the class at a place, from 1."""

    def reading(read: Callable[[ClassScore], Any]) -> Callable[[ResultRow, ModelRef], Any]:
        def read_one(row: ResultRow, _model: ModelRef) -> Any:
            return read(row.classes[place - 1]) if len(row.classes) >= place else None

        return read_one

    return [
        Column(f"class_id_{place}", Kind.WHOLE, reading(lambda one: one.class_id)),
        Column(f"class_{place}", Kind.TEXT, reading(lambda one: one.class_name)),
        Column(f"confidence_{place}", Kind.NUMBER, reading(lambda one: round(one.confidence, 6))),
    ]


_T, _W, _L, _N = Kind.TEXT, Kind.WHOLE, Kind.LARGE, Kind.NUMBER
COLUMNS: tuple[Column, ...] = (
    Column("index", _L, lambda row, _: row.index),
    Column("path", _T, lambda row, _: row.path),
    Column("size_bytes", _L, lambda row, _: row.size_bytes if row.size_bytes >= 0 else None),
    Column("sha256", _T, lambda row, _: row.sha256 or None),
    Column("format", _T, lambda row, _: row.image.format if row.image else None),
    Column("width", _W, lambda row, _: row.image.width if row.image else None),
    Column("height", _W, lambda row, _: row.image.height if row.image else None),
    *(one for place in range(1, TOP_K + 1) for one in _class_columns(place)),
    Column("model", _T, lambda _, model: model.name),
    Column("version", _T, lambda _, model: model.version),
    Column("error", _T, lambda row, _: row.error or None),
    Column("detail", _T, lambda row, _: row.detail or None),
    Column("read_ms", _N, lambda row, _: round(row.timings.read_ms, 2)),
    Column("decode_ms", _N, lambda row, _: round(row.timings.decode_ms, 2)),
    Column("preprocess_ms", _N, lambda row, _: round(row.timings.preprocess_ms, 2)),
    Column("inference_ms", _N, lambda row, _: round(row.timings.inference_ms, 2)),
)


def row_of(values: Mapping[str, Any]) -> ResultRow:
    """Make a row again of its values by the names of their columns; raises KeyError."""
    return ResultRow(
        index=values["index"],
        path=values["path"],
        size_bytes=-1 if values["size_bytes"] is None else values["size_bytes"],
        sha256=values["sha256"] or "",
        image=_image_of(values),
        classes=tuple(_classes_of(values)),
        error=values["error"] or "",
        detail=values["detail"] or "",
        timings=ReadTimings(
            values["read_ms"],
            values["decode_ms"],
            values["preprocess_ms"],
            values["inference_ms"],
        ),
    )


def _image_of(values: Mapping[str, Any]) -> ImageInfo | None:
    if values["format"] is None:
        return None
    return ImageInfo(values["format"], values["width"], values["height"])


def _classes_of(values: Mapping[str, Any]) -> Iterator[ClassScore]:
    for place in range(1, TOP_K + 1):
        if values[f"class_id_{place}"] is not None:
            yield ClassScore(
                values[f"class_id_{place}"],
                values[f"class_{place}"],
                values[f"confidence_{place}"],
            )
