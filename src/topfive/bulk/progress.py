"""Who is told how far a run is."""

from typing import Protocol

from topfive.bulk.results.rows import ShardOutcome


class Progress(Protocol):
    """Hears of a run's steps, in their order."""

    def tell(self, sentence: str) -> None:
        """Hear what a person should know."""

    def begin(self, pictures: int, done: int) -> None:
        """Hear how many pictures there are and how many are done; once more when work begins."""

    def advance(self, outcome: ShardOutcome) -> None:
        """Hear of a finished shard."""
