"""Shards through Ray Data: lists are read, actors work, the driver hears of each outcome."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import ray
import ray.data
from ray.exceptions import RayError
from ray.util.annotations import RayDeprecationWarning
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from topfive.bulk.cluster.actor import ShardScorer
from topfive.bulk.cluster.attempts import Attempts
from topfive.bulk.cluster.members import Cluster
from topfive.bulk.cluster.messages import decode_message
from topfive.bulk.cluster.plan import WorkPlan
from topfive.bulk.cluster.stream import Stream, first_line
from topfive.bulk.inputs.entries import Shard
from topfive.bulk.inputs.list_files import SHARDS_PER_FILE, read_shards
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.rows import ShardOutcome
from topfive.errors import BulkStopped, OperatorError

# A shard at work and the next, so that an actor need not wait for it.
_SHARDS_PER_ACTOR = 2
# More rounds than it takes to find the picture that ends its process.
_MOST_FRUITLESS_ROUNDS = 6


def score(
    files: Sequence[str],
    unfinished: Callable[[], Iterator[int]],
    plan: WorkPlan,
    cluster: Cluster,
) -> Iterator[ShardOutcome]:
    """Work on the unfinished shards of a list's files; each outcome is told when it is there.

    Shards whose actor ended are left over, and are a further round's. Raises BulkRefused or
    BulkStopped where an actor says that it cannot work, or nobody is left who can.
    """
    _configure()
    try:
        yield from _rounds(files, unfinished, plan, cluster)
    except RayError as error:
        raise BulkStopped(
            f"Ray has ended, or cannot go on: {first_line(error)} What is finished is kept; go on "
            "with --resume."
        ) from error


def _rounds(
    files: Sequence[str],
    unfinished: Callable[[], Iterator[int]],
    plan: WorkPlan,
    cluster: Cluster,
) -> Iterator[ShardOutcome]:
    attempts = _start_attempts()
    fruitless = known_bad = 0
    while wanted := _wanted(files, unfinished()):
        finished = 0
        cluster.wait_for_any()
        for outcome in _round(wanted, plan, attempts, cluster):
            finished += 1
            yield outcome
        bad = ray.get(attempts.count_left_out.remote())
        fruitless = 0 if finished or bad > known_bad else fruitless + 1
        known_bad = bad
        if fruitless >= _MOST_FRUITLESS_ROUNDS:
            raise BulkStopped(
                f"Processes that work on shards ended {fruitless} times before any was finished. "
                "They may need more memory: give a smaller number after --actors. What is "
                "finished is kept; go on with --resume."
            )


def _wanted(files: Sequence[str], unfinished: Iterator[int]) -> list[dict[str, Any]]:
    return [
        {"file": files[number], "shards": list(shards)}
        for number, shards in groupby(unfinished, lambda shard: shard // SHARDS_PER_FILE)
    ]


def _round(
    wanted: list[dict[str, Any]], plan: WorkPlan, attempts: Any, cluster: Cluster
) -> Iterator[ShardOutcome]:
    """Work on each shard once."""
    # Reading takes no CPU of those that actors have: there may be no other.
    shards = ray.data.from_items(wanted, override_num_blocks=len(wanted)).flat_map(
        ListReader(plan.folder), num_cpus=0
    )
    device: dict[str, Any] = {"num_gpus": 1} if cluster.needs_gpu else {"num_cpus": 1}
    scored = shards.map_batches(
        ShardScorer,
        fn_constructor_args=(plan, attempts),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(
            size=max(1, min(cluster.room(), sum(len(one["shards"]) for one in wanted))),
            max_tasks_in_flight_per_actor=_SHARDS_PER_ACTOR,
        ),
        ray_remote_args_fn=_try_no_shard_again,
        **device,
    )
    for batch in Stream(scored.iter_batches(batch_size=None, prefetch_batches=0), cluster):
        for content in batch["message"]:
            yield decode_message(content).require()


def _try_no_shard_again() -> dict[str, Any]:
    """Have Ray begin an actor again, but leave its shards to the next round.

    They would wait for that one actor, which may find no place any more.
    """
    return {"max_task_retries": 0}


class ListReader:
    """Reads the unfinished shards of a list's file, a row each."""

    def __init__(self, folder: ResultsFolder) -> None:
        self._folder = folder

    def __call__(self, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Give a row for each shard that is wanted, or one that says why there is none."""
        numbers = set(wanted["shards"])
        try:
            for shard in read_shards(self._folder.read(wanted["file"])):
                if shard.number in numbers:
                    yield _row(shard)
        except (OperatorError, OSError, ValueError) as error:
            # Ray would leave it out, and nobody would hear of it.
            why = str(error).rstrip(".")
            problem = f"The list {wanted['file']} cannot be read: {why}. Without it the run "
            yield _row(Shard(-1, 0, ()), f"{problem}cannot go on: begin anew in another folder.")


def _row(shard: Shard, problem: str = "") -> dict[str, Any]:
    return {
        "problem": problem,
        "shard": shard.number,
        "first_index": shard.first_index,
        "names": [entry.name for entry in shard.entries],
        "sizes": [entry.size_bytes for entry in shard.entries],
        "stamps": [entry.stamp for entry in shard.entries],
    }


def _start_attempts() -> Any:
    """Start what counts attempts here, where it ends with the driver and with nobody else."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    return ray.remote(Attempts).options(scheduling_strategy=here, **options).remote()


def _configure() -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # A block holds one row, so that one task works on one shard.
    context.target_max_block_size = 1
    context.target_min_block_size = 1
    # A shard whose actor ended does not end the round.
    context.max_errored_blocks = -1
    # The names of what we ask of Ray change with its releases; the one we use is pinned.
    warnings.filterwarnings("ignore", category=RayDeprecationWarning)
    # It counts the list's files, each of which has many shards.
    warnings.filterwarnings("ignore", message="The minimum number of concurrent actors")
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
