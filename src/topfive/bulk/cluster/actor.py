"""What runs in each actor: a classifier, and shard after shard through it."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from topfive import __version__
from topfive.bulk.cluster.attempts import Attempt
from topfive.bulk.cluster.messages import Message, encode_message, problem_message
from topfive.bulk.cluster.model import open_same_model
from topfive.bulk.cluster.plan import WorkPlan
from topfive.bulk.inputs.entries import Shard
from topfive.bulk.inputs.list_files import read_shard
from topfive.bulk.inputs.reading import open_reader
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.manifest import MANIFEST_FILE
from topfive.bulk.results.parts import PartFile, ShardWork, write_part
from topfive.bulk.results.rows import ResultRow
from topfive.bulk.scoring import LEFT_OUT, describe_unforeseen, is_broken, score_shard
from topfive.errors import BulkRefused, BulkStopped, InternalError, OperatorError
from topfive.machine.allocation import freeze_memory, keep_memory_small

Batch = dict[str, NDArray[Any]]


class ShardScorer:
    """Classifies shards and writes their files; Ray Data makes one for each actor."""

    def __init__(self, plan: WorkPlan, attempts: Any) -> None:
        self._plan = plan
        self._attempts = attempts
        self._node = ray.util.get_node_ip_address()
        self._refusal: OperatorError | None = None
        keep_memory_small()
        try:
            _require_version(plan.topfive_version)
            require_results(plan.folder)
            self._classifier = open_same_model(plan.model_options, plan.model, plan.limits)
        except OperatorError as error:
            # Raised here, Ray would only begin the actor again.
            self._refusal = error
        self._reader = open_reader(plan.limits)
        freeze_memory()

    def __call__(self, batch: Batch) -> Batch:
        """Work on the one shard of a batch; gives one message."""
        problem = str(batch.pop("problem")[0])
        if problem:
            return _told(Message(problem=problem))
        shard = read_shard({name: values[0] for name, values in batch.items()})
        try:
            message = Message(self._score(shard).outcome)
        except OperatorError as error:
            message = problem_message(error, self._node)
        except Exception as error:  # noqa: BLE001 - a worker's loop: Ray would only try again
            message = problem_message(BulkStopped(describe_unforeseen(error)), self._node)
        return _told(message)

    def _score(self, shard: Shard) -> PartFile:
        if self._refusal is not None:
            raise self._refusal
        plan, began_at = self._plan, time.time()
        attempt = ray.get(self._attempts.begin.remote(shard.number))
        before = self._watch(shard.number, attempt)
        rows = list(score_shard(self._classifier, plan.limits, self._reader, shard, before))
        if is_broken(rows):
            raise BulkStopped(_say_broken(shard, rows))
        work = ShardWork(began_at, time.time() - began_at, self._node)
        written = write_part(plan.folder, plan.format, plan.run_id, shard, rows, plan.ref, work)
        self._attempts.finish.remote(shard.number)
        return written

    def _watch(self, shard: int, attempt: Attempt) -> Callable[[int], str] | None:
        return partial(self._reach, shard, attempt) if attempt.is_watched else None

    def _reach(self, shard: int, attempt: Attempt, place: int) -> str:
        if place in attempt.left_out:
            return LEFT_OUT
        ray.get(self._attempts.reach.remote(shard, place))
        return ""


def _require_version(wanted: str) -> None:
    if __version__ != wanted:
        raise BulkRefused(
            f"topfive is {__version__} here, and {wanted} where the run was started. Install the "
            "same version on each node."
        )


def require_results(folder: ResultsFolder) -> None:
    """Do nothing if this node sees the run's results; raises BulkRefused."""
    if not folder.exists(MANIFEST_FILE):
        raise BulkRefused(
            f"The run in {folder.shown} is not there. Give a bucket for pictures and results, or "
            "a directory that all nodes share."
        )


def _say_broken(shard: Shard, rows: list[ResultRow]) -> str:
    last = [row.detail for row in rows if row.error == InternalError.code][-1]
    return f"{last} So many pictures of shard {shard.number} ended so that the run stops here."


def _told(message: Message) -> Batch:
    return {"message": np.array([encode_message(message)], dtype=object)}
