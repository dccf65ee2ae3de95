"""One shard through a classifier: rows in order, whatever its pictures are."""

import hashlib
from threading import Barrier

import pytest

from tests.pictures import draw, encode
from topfive.bulk.inputs.entries import Entry, Shard
from topfive.bulk.inputs.reading import Unreadable
from topfive.bulk.results.rows import ResultRow
from topfive.bulk.scoring import TOP_K, is_broken, score_shard
from topfive.classify.classifier import Classification
from topfive.errors import InvalidImage
from topfive.images.limits import ImageLimits
from topfive.images.sniff import SniffedPicture
from topfive.predictions import ClassScore, ImageInfo

PNG = encode(draw(), "PNG")
FOUND = Classification((ClassScore(1, "one", 0.5),), ImageInfo("PNG", 96, 64), 1.0, 2.0, 3.0)
LIMITS = ImageLimits(max_bytes=len(PNG))


class Reader:
    """Reads pictures from memory."""

    def __init__(self, pictures: dict[bytes, bytes]) -> None:
        self._pictures = pictures

    def read(self, entry: Entry) -> bytes:
        """Give a picture's bytes."""
        if entry.name not in self._pictures:
            raise Unreadable("No such file.")
        return self._pictures[entry.name]


class Classifier:
    """Finds the same in each picture, and refuses what ends with a certain byte."""

    def classify(self, upload: SniffedPicture, top_k: int) -> Classification:
        """Tell what was found."""
        assert top_k == TOP_K
        if upload.data.endswith(b"!"):
            raise InvalidImage("The picture cannot be decoded.")
        if upload.data.endswith(b"?"):
            raise KeyError("secret")
        if upload.data.endswith(b"M"):
            raise MemoryError
        return FOUND


def score(pictures: dict[bytes, bytes], *missing: bytes, left_out: int = -1) -> list[ResultRow]:
    """Classify pictures, some of which are not there."""
    entries = tuple(Entry(name) for name in (*pictures, *missing))
    shard = Shard(2, 100, entries)

    def before(place: int) -> str:
        return "It ends its process." if place == left_out else ""

    watched = before if left_out >= 0 else None
    return list(score_shard(Classifier(), LIMITS, Reader(pictures), shard, watched))


def test_a_picture_is_told_with_its_digest_and_classes() -> None:
    """The index is its place among all pictures of the run."""
    (row,) = score({b"a.png": PNG})
    assert (row.index, row.path, row.error) == (100, "a.png", "")
    assert (row.size_bytes, row.sha256) == (len(PNG), hashlib.sha256(PNG).hexdigest())
    assert (row.classes, row.image) == (FOUND.classes, FOUND.image)
    assert (row.timings.decode_ms, row.timings.inference_ms) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"no picture", "unsupported_format"),
        (PNG + b"1", "file_too_large"),
        (PNG[:-1] + b"!", "invalid_image"),
        (PNG[:-1] + b"?", "internal_error"),
        (PNG[:-1] + b"M", "out_of_memory"),
    ],
)
def test_a_bad_picture_is_a_row_with_the_apis_code(data: bytes, code: str) -> None:
    """Those before and after it are classified."""
    before, bad, after = score({b"a": PNG, b"b": data, b"c": PNG})
    assert (before.error, bad.error, after.error) == ("", code, "")
    assert bad.detail


def test_what_was_not_read_whole_has_no_digest() -> None:
    """Of a file that is too large no more is read than shows it."""
    (row,) = score({b"a": PNG + b"1"})
    assert (row.sha256, row.size_bytes) == ("", -1)


def test_what_cannot_be_read_is_a_row() -> None:
    """With the word of `topfive classify`, and why."""
    _, row = score({b"a": PNG}, b"\xff\n\xf0\x9f\x98\x80")
    assert (row.error, row.detail) == ("unreadable_file", "No such file.")
    assert row.path == "\\xff\n\U0001f600"


def test_a_picture_that_is_left_out_is_an_internal_error() -> None:
    """It is not even looked at."""
    rows = score({b"a": PNG, b"b": PNG, b"c": PNG}, left_out=1)
    assert [row.error for row in rows] == ["", "internal_error", ""]
    assert rows[1].detail == "It ends its process."


def test_nothing_is_read_ahead_while_it_is_watched() -> None:
    """Whoever ends the process is the picture that was told last."""
    told: list[str] = []

    class Telling(Reader):
        def read(self, entry: Entry) -> bytes:
            told.append(f"read {entry.name.decode()}")
            return PNG

    def before(place: int) -> str:
        told.append(f"before {place}")
        return ""

    entries = (Entry(b"a"), Entry(b"b"))
    list(score_shard(Classifier(), LIMITS, Telling({}), Shard(0, 0, entries), before))
    assert told == ["before 0", "read a", "before 1", "read b"]


def test_pictures_are_read_ahead() -> None:
    """Two are read at once, or this would stand still."""
    together = Barrier(2, timeout=20)

    class Waiting(Reader):
        def read(self, entry: Entry) -> bytes:
            together.wait()
            return super().read(entry)

    entries = tuple(Entry(name) for name in (b"a", b"b"))
    reader = Waiting({b"a": PNG, b"b": PNG})
    rows = list(score_shard(Classifier(), LIMITS, reader, Shard(0, 0, entries)))
    assert [row.error for row in rows] == ["", ""]


def test_what_nobody_foresaw_is_told_by_kind_and_place() -> None:
    """What the error says may be a secret of the picture's address."""
    (row,) = score({b"a": PNG[:-1] + b"?"})
    assert "KeyError in classify" in row.detail
    assert "secret" not in row.detail


def test_a_reader_that_goes_wrong_is_a_row() -> None:
    """It ends neither the shard nor the run."""

    class Wrong(Reader):
        def read(self, entry: Entry) -> bytes:
            raise TypeError

    rows = list(score_shard(Classifier(), LIMITS, Wrong({}), Shard(0, 0, (Entry(b"a"),))))
    assert [row.error for row in rows] == ["internal_error"]


def test_an_engine_that_fails_for_ever_is_noticed() -> None:
    """One such picture is a row, but twenty in turn are topfive's own fault."""
    bad = {b"%d" % number: PNG[:-1] + b"?" for number in range(20)}
    assert is_broken(score({b"good": PNG} | bad))
    assert not is_broken([*score(bad)[:19], *score({b"good": PNG}), *score(bad)[:19]])
    assert not is_broken(score({b"a": PNG[:-1] + b"?"}))
