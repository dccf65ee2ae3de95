"""The client's errors, as a program holds them."""

import pickle

import pytest

from topfive.client import (
    ClientError,
    NotTopfive,
    Refused,
    TimeExceeded,
    Unreachable,
    UnreadablePicture,
)

ERRORS = [
    Refused("overloaded", "Full.", status=503, request_id="id-1", retry_after_s=7),
    Unreachable("Gone.", may_pass=False),
    TimeExceeded("Late."),
    NotTopfive("A web server.", status=502),
    UnreadablePicture("No such file."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_an_error_comes_out_of_another_process_as_it_was(error):
    """Programs that classify in several processes get all that the service told."""
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))


def test_every_error_is_one_of_the_client():
    """One `except` is enough, and each has a word of its own."""
    assert all(isinstance(error, ClientError) for error in ERRORS)
    assert len({error.code for error in ERRORS}) == len(ERRORS)
    assert str(ERRORS[0]) == "Full. (overloaded)"
