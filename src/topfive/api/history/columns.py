"""The columns of an export, the same in every form."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any

from topfive.history.records import KEPT_CLASSES, KeptPrediction, Label
from topfive.predictions import CacheStatus, ClassScore


class Kind(Enum):
    """What the values of a column are."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    FLAG = "true or false"
    MOMENT = "time, UTC"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, what its values are, and how one is read; it may be None."""

    name: str
    kind: Kind
    read: Callable[[KeptPrediction], Any]


def in_groups(rows: Iterable[KeptPrediction], most: int) -> Iterator[tuple[KeptPrediction, ...]]:
    """Give rows in groups of `most`, the last one of the rest."""
    left = iter(rows)
    while some := tuple(islice(left, most)):
        yield some


def _class_columns(place: int) -> list[Column]:
    """Make the columns of the class at a place, from 1; a model may have fewer classes."""

    def reading(read: Callable[[ClassScore], Any]) -> Callable[[KeptPrediction], Any]:
        def read_one(kept: KeptPrediction) -> Any:
            classes = kept.record.classes
            return read(classes[place - 1]) if len(classes) >= place else None

        return read_one

    return [
        Column(f"class_id_{place}", Kind.WHOLE, reading(lambda one: one.class_id)),
        Column(f"class_{place}", Kind.TEXT, reading(lambda one: one.class_name)),
        Column(f"confidence_{place}", Kind.NUMBER, reading(lambda one: round(one.confidence, 6))),
    ]


def _of_label(read: Callable[[Label], Any]) -> Callable[[KeptPrediction], Any]:
    return lambda kept: read(kept.label) if kept.label else None


def _cache_of(kept: KeptPrediction) -> str | None:
    cache = kept.record.cache
    return None if cache is CacheStatus.NONE else cache.value


def _sha256_of(kept: KeptPrediction) -> str | None:
    digest = kept.record.picture_sha256
    return digest.hex() if digest else None


_T, _W, _N, _M = Kind.TEXT, Kind.WHOLE, Kind.NUMBER, Kind.MOMENT
COLUMNS: tuple[Column, ...] = (
    Column("id", _T, lambda kept: str(kept.record.id)),
    Column("created_at", _M, lambda kept: kept.record.at),
    Column("request_id", _T, lambda kept: kept.record.request_id),
    Column("position", _W, lambda kept: kept.record.position),
    Column("picture_sha256", _T, _sha256_of),
    Column("model", _T, lambda kept: kept.record.model.name),
    Column("version", _T, lambda kept: kept.record.model.version),
    Column("model_digest", _T, lambda kept: kept.record.model.digest),
    Column("route", _T, lambda kept: kept.record.route),
    Column("alias", _T, lambda kept: kept.record.alias or None),
    *(one for place in range(1, KEPT_CLASSES + 1) for one in _class_columns(place)),
    Column("queue_ms", _N, lambda kept: round(kept.record.timings.queue_ms, 2)),
    Column("decode_ms", _N, lambda kept: round(kept.record.timings.decode_ms, 2)),
    Column("preprocess_ms", _N, lambda kept: round(kept.record.timings.preprocess_ms, 2)),
    Column("inference_ms", _N, lambda kept: round(kept.record.timings.inference_ms, 2)),
    Column("total_ms", _N, lambda kept: round(kept.record.timings.total_ms, 2)),
    Column("cache", _T, _cache_of),
    Column("degraded", Kind.FLAG, lambda kept: kept.record.is_degraded),
    Column("api_key_id", _T, lambda kept: kept.record.key_id or None),
    Column("label_class_id", _W, _of_label(lambda label: label.class_id)),
    Column("label_class", _T, _of_label(lambda label: label.class_name)),
    Column("label_rank", _W, _of_label(lambda label: label.rank)),
    Column("label_source", _T, _of_label(lambda label: label.source.value)),
    Column("labelled_at", _M, _of_label(lambda label: label.at)),
)
