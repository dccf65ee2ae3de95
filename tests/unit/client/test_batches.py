"""What becomes of a batch's pictures, whatever comes in answer to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.client.test_answers import PREDICTION
from topfive.client.batches import BatchRun
from topfive.client.errors import ClientError, NotTopfive, Refused, Unreachable, UnreadablePicture
from topfive.client.pictures import ReadPicture
from topfive.client.results import BatchHead, ModelRef
from topfive.client.retries import Tries


def begin(count, *, retries=4, errors=None):
    """Begin a batch of pictures, with errors in the places of some."""
    errors = errors or {}
    pictures = [
        ReadPicture(10 + index, f"{index}.jpg", b"1", errors.get(index)) for index in range(count)
    ]
    return BatchRun(pictures, Tries(retries, 60, lambda: 0.0, lambda: 0.0))


def good(index):
    """Make the line of a picture that was classified."""
    return json.dumps({"index": index, "ok": True, **PREDICTION}).encode()


def bad(index, code):
    """Make the line of a picture that was not."""
    error = {"code": code, "detail": "Why."}
    return json.dumps({"index": index, "ok": False, "error": error}).encode()


def sent(run):
    """List which pictures are sent next, as they are numbered among all."""
    return [one.index for one in run.next_to_send()]


def codes(results):
    """List the pictures of results, each with its error's code, or empty."""
    return [(one.index, one.error.code if one.error else "") for one in results]


def test_results_come_in_order_as_they_are_there():
    """Good and bad ones alike; each has its number among all pictures, and its name."""
    run = begin(3)
    assert sent(run) == [10, 11, 12]
    run.take(good(0))
    assert [one.name for one in run.ready()] == ["0.jpg"]
    run.take(bad(1, "invalid_image"))
    run.take(good(2))
    assert codes(run.ready()) == [(11, "invalid_image"), (12, "")]
    run.end_answer()
    assert sent(run) == []


def test_a_picture_that_could_not_be_read_is_not_sent():
    """Its error stands in its place, and the others are counted without it."""
    run = begin(3, errors={1: UnreadablePicture("No such file.")})
    assert sent(run) == [10, 12]
    run.take(good(0))
    run.take(bad(1, "empty_file"))
    assert codes(run.ready()) == [(10, ""), (11, "unreadable_file"), (12, "empty_file")]


def test_what_holds_for_all_results_is_in_each():
    """Lines that have neither id nor model get those of the whole answer."""
    line = {key: value for key, value in PREDICTION.items() if key not in ("request_id", "model")}
    run = begin(1)
    run.next_to_send()
    run.begin_answer(BatchHead("id-9", ModelRef("digits", "1"), degraded=True))
    run.take(json.dumps({"index": 0, "ok": True, **line}).encode())
    found = run.ready()[0].get()
    assert (found.request_id, found.model, found.degraded) == (
        "id-9",
        ModelRef("digits", "1"),
        True,
    )


def test_after_a_break_only_the_rest_is_sent_again():
    """What has its result is neither sent nor given twice."""
    run = begin(4)
    sent(run)
    run.take(good(0))
    run.ready()
    with pytest.raises(Unreachable) as broke:
        run.end_answer()
    assert run.pause_after(broke.value) == 0.1
    assert sent(run) == [11, 12, 13]
    run.take(good(0))
    assert codes(run.ready()) == [(11, "")]


@pytest.mark.parametrize("code", ["rate_limited", "overloaded", "shutting_down"])
def test_what_passes_is_waited_for(code):
    """Pictures for which the quota ended or a worker stopped are sent again, in their places."""
    run = begin(3)
    sent(run)
    for line in (good(0), bad(1, code), good(2)):
        run.take(line)
    assert codes(run.ready()) == [(10, "")]
    with pytest.raises(Refused) as held:
        run.end_answer()
    run.pause_after(held.value)
    assert sent(run) == [11]
    run.take(good(0))
    assert codes(run.ready()) == [(11, ""), (12, "")]


def test_a_quota_that_ended_is_waited_out():
    """The answer's head says when it is new; sooner, the same pictures would be refused again."""
    run = begin(2)
    sent(run)
    run.begin_answer(BatchHead("id-9", quota_reset_s=42))
    run.take(good(0))
    run.take(bad(1, "rate_limited"))
    with pytest.raises(Refused) as held:
        run.end_answer()
    assert (held.value.request_id, run.pause_after(held.value)) == ("id-9", 42)


def test_a_service_that_never_recovers_ends_it():
    """After the last retry the error is raised, since the pictures are not its cause."""
    run = begin(2, retries=1)
    sent(run)
    run.pause_after(Refused("overloaded", "Full."))
    with pytest.raises(Refused, match="Full"):
        run.pause_after(Refused("overloaded", "Full."))


def test_progress_gives_the_retries_back():
    """A long series may meet many restarts, as long as something is achieved between them."""
    run = begin(5, retries=1)
    for index in range(5):
        sent(run)
        run.take(good(0))
        assert codes(run.ready()) == [(10 + index, "")]
        run.pause_after(Refused("shutting_down", "Stops."))
    assert sent(run) == []


@pytest.mark.parametrize("code", ["batch_too_large", "upload_too_slow", "deadline_exceeded"])
def test_what_is_too_much_at_once_is_sent_in_halves(code):
    """Also where limits have changed since they were told; without a pause."""
    run = begin(5)
    assert len(sent(run)) == 5
    assert run.pause_after(Refused(code, "Too much.", status=413)) == 0
    assert sent(run) == [10, 11]


def test_a_picture_too_many_is_sent_in_the_next_request():
    """The line that ends an answer is about the batch, not about the picture where it stands."""
    run = begin(3)
    sent(run)
    for line in (good(0), good(1), bad(2, "batch_too_large")):
        run.take(line)
    with pytest.raises(Refused) as held:
        run.end_answer()
    run.pause_after(held.value)
    assert sent(run) == [12]


@pytest.mark.parametrize("code", ["not_found", "method_not_allowed"])
def test_without_batches_pictures_are_sent_singly(code):
    """An older service gets one request a picture."""
    run = begin(3)
    sent(run)
    run.pause_after(Refused(code, "Nothing there.", status=404))
    assert sent(run) == [10]


def test_alone_a_bad_picture_is_its_own_result():
    """The next one is sent; what the service is the cause of ends it."""
    run = begin(2)
    sent(run)
    run.pause_after(Refused("not_found", "Nothing there."))
    sent(run)
    assert run.pause_after(Refused("invalid_image", "Damaged.")) == 0
    assert codes(run.ready()) == [(10, "invalid_image")]
    assert sent(run) == [11]
    with pytest.raises(Refused, match="No key"):
        run.pause_after(Refused("unauthorized", "No key."))


@pytest.mark.parametrize(
    "line",
    [b"text", b"[]", b"1", b"{}", b'{"index": 5, "ok": true}', b'{"index": -1, "ok": false}',
     b'{"index": 0}', b'{"index": 0, "ok": true}', b'{"index": 0, "ok": false, "error": null}'],
)  # fmt: skip
def test_lines_that_are_no_results_are_not_topfives(line):
    """A server that answers something else is told apart at once."""
    run = begin(2)
    sent(run)
    with pytest.raises(NotTopfive):
        run.take(line)


FAILURES = st.sampled_from(
    ["", "invalid_image", "rate_limited", "batch_too_large", "upload_too_slow", "cut"]
)


@given(count=st.integers(1, 8), rounds=st.lists(st.lists(FAILURES, max_size=8), max_size=20))
def test_every_picture_has_one_result_in_order(count, rounds):
    """Whatever a service answers, no result is lost, given twice or in another order."""
    run, found = begin(count, retries=1000), []
    for failures in [*rounds, *[[""] * count] * count]:
        pictures = run.next_to_send()
        if not pictures:
            break
        try:
            for index, failure in enumerate(failures[: len(pictures)]):
                # One picture alone is not a batch, and cannot be one that is too large.
                if failure == "cut" or (failure == "batch_too_large" and len(pictures) == 1):
                    break
                run.take(bad(index, failure) if failure else good(index))
                found += run.ready()
            run.end_answer()
        except ClientError as error:
            run.pause_after(error)
        found += run.ready()
    assert [one.index for one in found] == list(range(10, 10 + count))
