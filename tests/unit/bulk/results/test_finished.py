"""Finished shards: counted right, whatever is added, replaced and taken back."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.results.made import make_outcome
from topfive.bulk.results.finished import FinishedShards, Totals
from topfive.bulk.results.rows import ShardOutcome

ERRORS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 3))
STEPS = st.lists(st.tuples(st.integers(0, 20), st.none() | ERRORS), max_size=60)


@given(STEPS)
def test_totals_are_those_of_what_is_held(steps: list[tuple[int, dict[str, int] | None]]) -> None:
    """Against a plain dictionary of outcomes: a shard counts once, as it was added last."""
    finished = FinishedShards()
    held: dict[int, ShardOutcome] = {}
    for number, (shard, errors) in enumerate(steps):
        if errors is None:
            finished.remove(shard)
            held.pop(shard, None)
        else:
            held[shard] = make_outcome(shard, errors=errors, file_bytes=number, read_bytes=2**40)
            finished.add(held[shard])
    assert sorted(held) == list(finished)
    assert len(finished) == len(held)
    assert finished.highest() == max(held, default=-1)
    assert list(finished.unfinished(25)) == [one for one in range(25) if one not in held]
    assert all(finished.file_bytes(shard) == one.file_bytes for shard, one in held.items())
    expected: dict[str, int] = {}
    for one in held.values():
        for code, count in one.errors.items():
            expected[code] = expected.get(code, 0) + count
    assert finished.totals() == Totals(
        shards=len(held),
        pictures=4 * len(held),
        file_bytes=sum(one.file_bytes for one in held.values()),
        read_bytes=2**40 * len(held),
        duration_s=0.5 * len(held),
        errors=expected,
    )


def test_what_is_no_shard_is_not_held() -> None:
    """Numbers below zero, or beyond what is known, are not finished."""
    finished = FinishedShards()
    finished.add(make_outcome(2))
    assert [shard in finished for shard in (-1, 0, 2, 3)] == [False, False, True, False]
    assert "2" not in finished
