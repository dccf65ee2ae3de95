"""What actors tell the driver."""

import pytest

from topfive.bulk.cluster.messages import (
    Message,
    decode_message,
    encode_message,
    problem_message,
)
from topfive.bulk.results.rows import ShardOutcome
from topfive.errors import BulkRefused, BulkStopped, EngineRefused

OUTCOME = ShardOutcome(3, 5, "ab", 10, 20, 1.5, 2.5, "10.0.0.1", {"invalid_image": 1})


def test_an_outcome_comes_as_it_was() -> None:
    """Nothing of it changes on its way."""
    assert decode_message(encode_message(Message(OUTCOME))).require() == OUTCOME


def test_what_went_wrong_is_raised_where_the_run_is() -> None:
    """A mistake stays a mistake, and both tell the node."""
    mistake = problem_message(EngineRefused("no bf16"), "10.0.0.1")
    with pytest.raises(BulkRefused, match=r"10\.0\.0\.1: no bf16"):
        decode_message(encode_message(mistake)).require()
    with pytest.raises(BulkStopped, match="no disk"):
        problem_message(BulkStopped("no disk"), "10.0.0.1").require()
