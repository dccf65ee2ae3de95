"""What an actor tells the driver of a shard: its outcome, or why it did not work on it."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from topfive.bulk.results.rows import ShardOutcome
from topfive.errors import BulkRefused, BulkStopped, Mistake, OperatorError


@dataclass(frozen=True, slots=True)
class Message:
    """One shard's outcome, or the sentence of what went wrong; `is_mistake` if waiting is no use.

    What went wrong is a value and no exception: Ray would try again what cannot get better.
    """

    outcome: ShardOutcome | None = None
    problem: str = ""
    is_mistake: bool = False

    def require(self) -> ShardOutcome:
        """Give the outcome; raises BulkRefused or BulkStopped where there is none."""
        if self.outcome is None:
            raise (BulkRefused if self.is_mistake else BulkStopped)(self.problem)
        return self.outcome


_MESSAGE = TypeAdapter(Message)


def problem_message(error: OperatorError, node: str) -> Message:
    """Make the message of an actor that cannot work."""
    return Message(problem=f"On node {node}: {error}", is_mistake=isinstance(error, Mistake))


def encode_message(message: Message) -> bytes:
    """Write a message as JSON."""
    return _MESSAGE.dump_json(message)


def decode_message(content: bytes) -> Message:
    """Read a message."""
    return _MESSAGE.validate_json(content)
