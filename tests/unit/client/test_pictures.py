"""What can be given as a picture, and how many are sent together."""

import asyncio
import random
from base64 import b64encode
from io import BytesIO, StringIO

import pytest
from PIL import Image

from topfive.classify.heatmap import LONGEST_SIDE
from topfive.client.calls import MOST_HEATMAP_BYTES, PredictOptions
from topfive.client.errors import Refused, UnreadablePicture
from topfive.client.pictures import (
    Gathering,
    ReadPicture,
    grouped,
    grouped_async,
    read_one_of_many,
    read_picture,
)
from topfive.client.results import Limits

LIMITS = Limits(max_upload_bytes=1000, batch_max_pictures=3, batch_max_bytes=4000)


def test_a_picture_is_a_path_bytes_or_a_file(tmp_path):
    """All that holds a picture's bytes is taken."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"picture")
    with path.open("rb") as file:
        given = [path, str(path), b"picture", bytearray(b"picture"), memoryview(b"picture"), file]
        assert {read_picture(one, 100) for one in given} == {b"picture"}


def test_a_text_file_is_a_mistake_of_the_program():
    """It says how to open it."""
    with pytest.raises(TypeError, match="rb"):
        read_picture(StringIO("text"), 100)


def test_what_cannot_be_a_picture_is_told():
    """It is a mistake in the program, which is told what a picture is."""
    with pytest.raises(TypeError, match="not of the type int"):
        read_picture(3, 100)


@pytest.mark.parametrize("given", ["photo.jpg", b"12345", BytesIO(b"12345")])
def test_one_picture_is_not_taken_for_many(given):
    """The letters of its path, or the lines of its file, are no pictures."""
    with pytest.raises(TypeError, match="several pictures"):
        next(grouped(given, LIMITS, 99))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """The path and the system's reason are in the error."""
    with pytest.raises(UnreadablePicture, match=r"nothing\.jpg: No such file"):
        read_picture(tmp_path / "nothing.jpg", 100)


def test_a_service_that_takes_any_number_of_bytes_is_sent_a_picture():
    """No system reads as many at once as such a service may tell."""
    assert read_picture(BytesIO(b"12345"), 10**30) == b"12345"


@pytest.mark.parametrize("given", [b"12345", BytesIO(b"12345"), BytesIO(b"1" * 10_000_000)])
def test_what_the_service_would_refuse_for_its_size_is_not_sent(given):
    """Of a file, no more is read than shows that it is too large."""
    with pytest.raises(Refused) as told:
        read_picture(given, 4)
    assert told.value.code == "file_too_large"
    assert not isinstance(given, BytesIO) or given.tell() == 5


def test_of_many_an_unreadable_one_keeps_its_place(tmp_path):
    """It is noted with its error, and stops nothing."""
    read = read_one_of_many(7, tmp_path / "nothing.jpg", 100)
    assert (read.index, read.name) == (7, str(tmp_path / "nothing.jpg"))
    assert read.error.code == "unreadable_file"


def sizes(groups):
    """List how many pictures each group has."""
    return [len(group) for group in groups]


def test_a_group_has_as_many_pictures_as_the_service_takes():
    """The last group has the rest."""
    groups = list(grouped([b"1"] * 7, LIMITS, 99))
    assert sizes(groups) == [3, 3, 1]
    assert [one.index for group in groups for one in group] == list(range(7))


def test_a_group_has_no_more_bytes_than_the_service_takes():
    """What does not go into a group begins the next; nothing is lost or reordered."""
    limits = Limits(max_upload_bytes=3000, batch_max_pictures=99, batch_max_bytes=4000)
    groups = list(grouped([b"1" * 1000] * 4 + [b"1" * 3000], limits, 99))
    assert sizes(groups) == [2, 2, 1]


def test_a_service_without_batches_gets_single_pictures():
    """Each group is one picture."""
    groups = grouped([b"1", b"2"], Limits(1000, batch_max_pictures=0, batch_max_bytes=0), 99)
    assert [group for group in groups if group] == [
        [ReadPicture(0, "", b"1")],
        [ReadPicture(1, "", b"2")],
    ]


def test_results_that_could_not_be_kept_are_not_asked_for_at_once():
    """The larger the results, the fewer pictures go into a batch: httpx reads after it has sent."""
    few = PredictOptions(heatmap=True).most_pictures()
    assert 64 < few < 1000
    assert 64 < PredictOptions(top_k=100).most_pictures() < 1000
    assert PredictOptions().most_pictures() > 1000
    limits = Limits(1000, batch_max_pictures=1000, batch_max_bytes=1_000_000)
    assert sizes(grouped([b"1"] * few * 2, limits, few))[:2] == [few, few]


def test_a_slow_source_is_not_waited_for():
    """Pictures that have waited a second go out with those that are there."""
    times_s = iter([0.0, 0.0, 0.7, 1.4, 1.4, 1.4])
    gathering = Gathering(Limits(1000, 99, 99_999), 99, lambda: next(times_s))
    given = [list(gathering.add(ReadPicture(index, "", b"1"))) for index in range(3)]
    assert [sizes(groups) for groups in given] == [[], [], [3]]
    assert gathering.rest() == []


def test_an_async_source_is_grouped_the_same():
    """Async generators and plain lists give the same groups as without an event loop."""
    pictures = [b"1"] * 4

    async def source():
        for picture in pictures:
            yield picture

    async def collect(given):
        return [group async for group in grouped_async(given, LIMITS, 99)]

    expected = list(grouped(pictures, LIMITS, 99))
    assert asyncio.run(collect(source())) == asyncio.run(collect(pictures)) == expected


def test_no_heatmap_takes_more_than_is_reckoned_with():
    """The largest that the service draws, of pixels that cannot be compressed, is within it."""
    noise = random.Random(1).randbytes(LONGEST_SIDE**2)
    png = BytesIO()
    Image.frombytes("L", (LONGEST_SIDE, LONGEST_SIDE), noise).save(png, "PNG")
    assert 0.9 < len(b64encode(png.getvalue())) / MOST_HEATMAP_BYTES < 1
