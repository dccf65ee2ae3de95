"""Kill parts of bulk runs at random moments, go on with each, and count what came of it.

python benchmarks/bulk_kills.py [--rounds 60] [--node-rounds 15] [--out FILE.md]

Each round is a run of drawn pictures by the embedded model. Something of it is killed, up to three
times: its driver, one or all actors, the raylet, what keeps Ray's state, everything at once, or one
of two nodes that `ray start` began; or it is asked to end. Where that ended it, `--resume` goes on,
half of the times while the processes of the run before still end. At last every picture must be
there once, with the answers of a run that nobody disturbed. The exit code is 1 if one is not.
"""

import argparse
import random
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from report import describe_machine
from uploads import REPOSITORY

sys.path.insert(0, str(REPOSITORY))

from tests.bulk.exactness import draw_pictures, require_exact
from tests.bulk.nodes import Nodes
from tests.bulk.started import ACTOR, RAYLET, STATE, StartedBulk

SIDE = 1200
MOST_KILLS = 3
MOST_STARTS = 12
# A run that takes so long hangs.
HANGS_AFTER_S = 180.0
# Of kills, how many come within the first seconds, most of them before the first result.
EARLY_SHARE = 0.25
EARLY_S = 5.0
LOOK_EVERY_S = 0.01
HEADINGS = (
    "| where | rounds | exact | same answers | kills | starts | files that were there at a start | "
    "of them written again | runs that ended without a word |"
)


@dataclass(frozen=True, slots=True)
class Scene:
    """The pictures of all rounds, how they are worked on, and where each has its folder."""

    pictures: Path
    names: Sequence[Path]
    folder: Path
    shard_pictures: int
    actors: int

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-len(self.names) // self.shard_pictures)


@dataclass(slots=True)
class Played:
    """One round: what was killed, how often it was started, and what is wrong in the end.

    `kept` are result files that were there when a further run began, and `rewritten` those of them
    that it wrote again. `silent` are runs that ended without saying how to go on.
    """

    killed: list[str] = field(default_factory=list)
    starts: int = 0
    kept: int = 0
    rewritten: int = 0
    silent: int = 0
    digest: str = ""
    problem: str = ""
    log: str = ""
    took_s: float = 0.0


Victim = Callable[[StartedBulk, random.Random], object]


def kill_one_actor(run: StartedBulk, chance: random.Random) -> None:
    """Kill one of the actors, if there are any yet."""
    pids = run.pids(ACTOR)
    if pids:
        run.kill_pid(chance.choice(pids))


LOCAL_VICTIMS: Mapping[str, Victim] = {
    "driver": lambda run, _: run.kill_driver(),
    "one actor": kill_one_actor,
    "all actors": lambda run, _: run.kill(ACTOR),
    "raylet": lambda run, _: run.kill(RAYLET),
    "Ray's state": lambda run, _: run.kill(STATE),
    "everything": lambda run, _: run.kill(),
    "SIGTERM": lambda run, _: run.process.send_signal(signal.SIGTERM),
    "SIGINT": lambda run, _: run.process.send_signal(signal.SIGINT),
}


class Cluster:
    """A head without CPUs and two nodes that work; one that is killed is followed by another."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        nodes.start_head()
        nodes.add()
        nodes.add()

    def victims(self) -> Mapping[str, Victim]:
        """Tell what can be killed there."""
        return {
            "driver": lambda run, _: run.kill_driver(),
            "one node": lambda _, chance: self._replace(chance, 1),
            "both nodes": lambda _, chance: self._replace(chance, 2),
        }

    def _replace(self, chance: random.Random, count: int) -> None:
        for _ in range(count):
            self.nodes.kill_last()
        time.sleep(chance.uniform(0, 3))
        for _ in range(count):
            self.nodes.add()


class Player:
    """Plays rounds, by chance alone."""

    def __init__(self, scene: Scene, chance: random.Random, cluster: Cluster | None = None) -> None:
        self._scene = scene
        self._chance = chance
        self._cluster = cluster
        self._victims = cluster.victims() if cluster else LOCAL_VICTIMS

    def play(self, name: str) -> Played:
        """Play one round to its end."""
        played, began_s = Played(), time.monotonic()
        with suppress(Over):
            self._run_to_its_end(played, self._scene.folder / name)
            try:
                played.digest = require_exact(self._scene.folder / name, self._scene.names)
            except AssertionError as error:
                played.problem = f"not exact: {error}"
        played.took_s = time.monotonic() - began_s
        return played

    def _run_to_its_end(self, played: Played, results: Path) -> None:
        kills = self._chance.randint(1, MOST_KILLS)
        for number in range(MOST_STARTS):
            played.starts += 1
            with self._started(results, number) as run:
                before = run.parts()
                if kills:
                    kills -= 1
                    self._kill(run, played)
                code = self._wait(run, played)
                now = run.parts()
                played.kept += len(before)
                played.rewritten += sum(now.get(name) != inode for name, inode in before.items())
                if code == 0:
                    return
                if code > 0:
                    self._judge(code, run, played)
        raise over(played, f"it has not ended after {MOST_STARTS} starts")

    def _kill(self, run: StartedBulk, played: Played) -> None:
        self._wait_for_moment(run)
        if run.process.poll() is None:
            victim = self._chance.choice(list(self._victims))
            played.killed.append(victim)
            self._victims[victim](run, self._chance)

    def _wait(self, run: StartedBulk, played: Played) -> int:
        give_up_s = time.monotonic() + HANGS_AFTER_S
        while (code := run.process.poll()) is None:
            if time.monotonic() > give_up_s:
                played.log = run.told
                raise over(played, f"it hangs after {played.killed}")
            time.sleep(LOOK_EVERY_S)
        return code

    def _judge(self, code: int, run: StartedBulk, played: Played) -> None:
        if "Traceback" in run.told or code != 1:
            played.log = run.told
            raise over(played, f"exit code {code}")
        played.silent += "--resume" not in run.told

    def _wait_for_moment(self, run: StartedBulk) -> None:
        if self._chance.random() < EARLY_SHARE:
            give_up_s = time.monotonic() + self._chance.uniform(0, EARLY_S)
            while time.monotonic() < give_up_s and run.process.poll() is None:
                time.sleep(LOOK_EVERY_S)
            return
        wanted = self._chance.randint(len(run.parts()), self._scene.shards - 1)
        while len(run.parts()) < wanted and run.process.poll() is None:
            time.sleep(LOOK_EVERY_S)
        time.sleep(self._chance.uniform(0, 0.3))

    @contextmanager
    def _started(self, results: Path, number: int) -> Iterator[StartedBulk]:
        scene, options, variables = self._scene, [], {}
        if self._cluster:
            options = ["--address", self._cluster.nodes.address, "--wait-s", "30"]
            variables = self._cluster.nodes.variables
        else:
            options = ["--actors", str(scene.actors)]
        log = scene.folder / f"{results.name}-{number}.log"
        run = StartedBulk(
            scene.pictures, "--out", results, "--resume", "--json",
            "--shard-pictures", str(scene.shard_pictures), *options, log=log, **variables,
        )  # fmt: skip
        try:
            yield run
        except BaseException:
            run.close()
            raise
        # Else the next run begins while this one's processes still end.
        if self._chance.random() < 0.5:
            run.close()


class Over(Exception):
    """A round cannot go on."""


def over(played: Played, problem: str) -> Over:
    """Note why a round cannot go on."""
    played.problem = problem
    return Over(problem)


def play_all(scene: Scene, given: argparse.Namespace) -> dict[str, list[Played]]:
    """Play all rounds; each is told on standard error."""
    played: dict[str, list[Played]] = {}
    chance = random.Random(given.seed)
    if given.rounds:
        played["one machine"] = play_some(Player(scene, chance), "alone", given.rounds)
    if given.node_rounds:
        with TemporaryDirectory(prefix="kills-") as folder:
            nodes = Nodes(Path(folder), {})
            try:
                player = Player(scene, chance, Cluster(nodes))
                played["two nodes"] = play_some(player, "nodes", given.node_rounds)
            finally:
                nodes.close()
    return played


def play_some(player: Player, name: str, rounds: int) -> list[Played]:
    """Play some rounds in one place."""
    played = []
    for number in range(rounds):
        one = player.play(f"{name}-{number:03}")
        played.append(one)
        print(
            f"{name} {number}: {', '.join(one.killed)}; {one.starts} starts, {one.took_s:.0f} s, "
            f"{one.rewritten}/{one.kept} rewritten, {one.silent} silent, {one.digest[:8]} "
            f"{one.problem}\n{one.log[-2000:]}".rstrip(),
            file=sys.stderr,
            flush=True,
        )
    return played


def write_report(scene: Scene, all_played: Mapping[str, Sequence[Played]]) -> str:
    """Write the figures as Markdown."""
    machine = describe_machine()
    lines = [
        "# Bulk runs whose processes are killed",
        "",
        f"- date: {datetime.now(UTC).date()}",
        *(f"- {name}: {value}" for name, value in machine.items()),
        f"- command: `{shlex.join(['.venv/bin/python', *sys.argv])}`",
        f"- a round: {len(scene.names)} pictures in {scene.shards} shards, {scene.actors} actors",
        "",
        HEADINGS,
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for where, played in all_played.items():
        digests = {one.digest for one in played if one.digest}
        lines.append(
            f"| {where} | {len(played)} | {sum(not one.problem for one in played)} | "
            f"{'all' if len(digests) == 1 else f'{len(digests)} kinds'} | "
            f"{sum(len(one.killed) for one in played)} | {sum(one.starts for one in played)} | "
            f"{sum(one.kept for one in played)} | {sum(one.rewritten for one in played)} | "
            f"{sum(one.silent for one in played)} |"
        )
    lines += ["", "| killed | times |", "|---|---|"]
    killed = [one for played in all_played.values() for each in played for one in each.killed]
    lines += [f"| {name} | {killed.count(name)} |" for name in sorted(set(killed))]
    problems = [one.problem for played in all_played.values() for one in played if one.problem]
    lines += ["", "Not as it should be: " + ("; ".join(problems) or "nothing") + "."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Play, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="on this machine alone")
    parser.add_argument("--node-rounds", type=int, default=15, help="on two nodes")
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--shard-pictures", type=int, default=10)
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a new folder for the runs, which is kept")
    parser.add_argument("--out", type=Path, help="where the report is written, too")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="bulk-kills-") as temporary:
        folder = given.keep or Path(temporary)
        names = draw_pictures(folder / "pictures", given.pictures, SIDE)
        scene = Scene(folder / "pictures", names, folder, given.shard_pictures, given.actors)
        played = play_all(scene, given)
    report = write_report(scene, played)
    print(report)
    if given.out:
        given.out.write_text(report, encoding="utf-8")
    rounds = [one for some in played.values() for one in some]
    sys.exit(any(one.problem for one in rounds) or len({one.digest for one in rounds}) != 1)


if __name__ == "__main__":
    main()
