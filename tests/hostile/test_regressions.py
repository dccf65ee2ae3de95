"""Every trap that is known: a file beside what it must be answered with."""

import tomllib
from pathlib import Path

import pytest

from tests.hostile.make_regressions import CASES, describe
from tests.live_server import LiveServer
from topfive.errors import FAILURES

FOLDER = Path(__file__).parent / "regressions"
TRAPS = sorted(FOLDER.glob("*.bin"))
MOST_BYTES, MOST_BYTES_IN_ALL = 64 * 1024, 1_000_000


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.stem)
def test_every_trap_is_answered_as_written_down(target: LiveServer, trap: Path) -> None:
    """A trap is classified or refused, each with the status and code in its .toml."""
    expected = tomllib.loads(trap.with_suffix(".toml").read_text())
    answer = target.upload(trap.read_bytes())
    if "code" in expected:
        assert (answer.status, answer.code) == (expected["status"], expected["code"])
    else:
        assert (answer.status, len(answer.json["predictions"])) == (expected["status"], 5)


def test_a_plain_picture_is_classified_after_all_traps(target: LiveServer) -> None:
    """The service that has seen every trap twice still answers, from the same workers."""
    for trap in TRAPS:
        assert target.upload(trap.read_bytes(), headers={"Connection": "close"}).status < 500
    assert target.get("/health").json["status"] == "healthy"


def test_traps_are_numbered_without_gaps_and_come_in_pairs() -> None:
    """Every .bin has its .toml, from 000 on, and both say what make_regressions says."""
    assert [trap.stem for trap in TRAPS] == [f"{number:03}" for number in range(len(CASES))]
    described = sorted(FOLDER.glob("*.toml"))
    assert [one.stem for one in described] == [trap.stem for trap in TRAPS]
    for one, (what, code, _) in zip(described, CASES, strict=True):
        assert one.read_text() == describe(what, code)
        assert not code or code in FAILURES


def test_traps_are_small() -> None:
    """A trap needs no large file."""
    sizes = [trap.stat().st_size for trap in TRAPS]
    assert max(sizes) <= MOST_BYTES
    assert sum(sizes) < MOST_BYTES_IN_ALL
