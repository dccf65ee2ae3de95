"""Check the servers against each other, find the best setup of each, and measure them in turn."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from closed_loop import ClosedLoop, LoopLimits
from comparison import Candidate, Cell, Trial, format_rates, format_rest, format_trials
from contenders import Contender, Launch, Setup, describe_setup, is_healthy
from load import MAX_REQUESTS, LoadPlan, LoadReport, run_load
from server import Server, ServerFailedError
from uploads import Address, ask_json, build_request, classify, list_photos

CLIENTS = (1, 10, 64)
TUNED_AT = 10
LEAST_AGREEMENT = 0.95
PROBE_INTERVAL_S = 0.05
ANSWER_TIMEOUT_S = 10.0
Answers = dict[str, int]


@dataclass(frozen=True, slots=True)
class Extent:
    """How often and how long is measured."""

    repeats: int
    load_s: float
    warm_up_s: float
    rounds: int
    trial_s: float


FULL = Extent(repeats=5, load_s=8.0, warm_up_s=2.0, rounds=2, trial_s=4.0)
# To try the scripts out; the figures mean little.
QUICK = Extent(repeats=1, load_s=2.0, warm_up_s=0.5, rounds=1, trial_s=1.0)


@dataclass(frozen=True, slots=True)
class Bench:
    """What all measurements share: photos, settings, a folder to work in, and how much to ask."""

    photos: Path
    shared: Setup
    folder: Path
    extent: Extent

    def launch(self, contender: Contender, setup: Setup) -> Launch:
        """Prepare to start a contender."""
        return Launch(contender, setup, self.shared, self.folder)

    def load(self, server: Server, clients: int, seconds: float) -> LoadReport:
        """Warm a server up, then measure one load."""
        requests = [build_request(photo, server.address) for photo in list_photos(self.photos)]
        warm_up, limits = (
            LoopLimits(clients, MAX_REQUESTS, duration_s, ANSWER_TIMEOUT_S)
            for duration_s in (self.extent.warm_up_s, seconds)
        )
        ClosedLoop(server.address, requests, warm_up).run()
        pid = server.process.pid
        return run_load(LoadPlan(server.url, self.photos, limits, 0, PROBE_INTERVAL_S, pid))


def read_info(bench: Bench, topfive: Contender) -> dict[str, Any]:
    """Start topfive and ask how it runs, so that the peers can do the same work."""
    with bench.launch(topfive, topfive.setups[0]).serving() as server:
        server.wait_until(is_healthy)
        return ask_json(server.address, "/info")


def answer_all(bench: Bench, contender: Contender) -> Answers:
    """Let a contender classify every photo once; the best class of each."""
    with bench.launch(contender, contender.setups[0]).serving() as server:
        server.wait_until(is_healthy)
        return {photo.name: _best(server.address, photo) for photo in list_photos(bench.photos)}


def _best(address: Address, photo: Path) -> int:
    """Ask for a photo's best class; -1 where there is no answer."""
    try:
        return next(iter(classify(address, photo)), -1)
    except OSError:
        return -1


def compute_agreement(answers: Answers, reference: Answers) -> float:
    """Compute for how many photos, 0 to 1, the best class is the reference's."""
    return mean(answers[name] == best != -1 for name, best in reference.items())


def tune(bench: Bench, contender: Contender) -> tuple[Setup, list[Trial]]:
    """Try all setups of a contender in turn; return the best, and what each came to."""
    if len(contender.setups) == 1:
        return contender.setups[0], []
    loads = [
        [_try(bench, contender, setup) for setup in contender.setups]
        for _ in range(bench.extent.rounds)
    ]
    trials = [
        Trial(
            contender.name,
            describe_setup(setup),
            [load.throughput_per_s for load in of_setup],
            sum(sum(load.errors.values()) for load in of_setup),
        )
        for setup, of_setup in zip(contender.setups, zip(*loads, strict=True), strict=True)
    ]
    best = max(range(len(trials)), key=lambda index: trials[index].rate_per_s)
    return contender.setups[best], trials


def _try(bench: Bench, contender: Contender, setup: Setup) -> LoadReport:
    _say(f"{contender.name}: trying {describe_setup(setup)}")
    with bench.launch(contender, setup).serving() as server:
        server.wait_until(is_healthy)
        return bench.load(server, TUNED_AT, bench.extent.trial_s)


def measure(bench: Bench, launches: Sequence[Launch], known: tuple[Path, int]) -> list[Cell]:
    """Measure all servers in turn at each number of clients, and that again for each repeat."""
    return [
        measure_cell(bench, launch, clients, known)
        for repeat in range(bench.extent.repeats)
        for clients in CLIENTS
        for launch in (launches if repeat % 2 == 0 else launches[::-1])
    ]


def measure_cell(bench: Bench, launch: Launch, clients: int, known: tuple[Path, int]) -> Cell:
    """Start one server up to its first right answer, and load it."""
    photo, class_id = known
    with launch.serving() as server:
        start_s = server.wait_until(lambda address: _best(address, photo) == class_id)
        server.wait_until(is_healthy)
        load = bench.load(server, clients, bench.extent.load_s)
    cell = Cell(launch.contender.name, clients, start_s, load)
    _say(
        f"{cell.server}, {clients} clients: {load.throughput_per_s:.1f}/s, "
        f"p99 {load.p99_ms:.1f} ms, /health p99 {load.health_p99_ms:.1f} ms, "
        f"errors {load.errors or 0}"
    )
    return cell


def find_known(photos: Path, everyone: Sequence[Answers]) -> tuple[Path, int]:
    """Choose a photo on which all agree, to recognise a right answer by."""
    for photo in list_photos(photos):
        classes = {answers[photo.name] for answers in everyone}
        if len(classes) == 1 and -1 not in classes:
            return photo, classes.pop()
    raise ServerFailedError("there is no photo on which all servers agree")


def compare(bench: Bench, contenders: Sequence[Contender]) -> list[str]:
    """Check, tune and measure all, topfive first; return the tables.

    Raises ServerFailedError if a server does not start or gives answers that are not topfive's.
    """
    everyone = [answer_all(bench, contender) for contender in contenders]
    agreements = [compute_agreement(answers, everyone[0]) for answers in everyone]
    _refuse_strangers(contenders, agreements)
    tuned = [tune(bench, contender) for contender in contenders]
    launches = [
        bench.launch(contender, setup)
        for contender, (setup, _) in zip(contenders, tuned, strict=True)
    ]
    cells = measure(bench, launches, find_known(bench.photos, everyone))
    candidates = [
        Candidate(launch.contender.name, describe_setup(launch.setup), agreement)
        for launch, agreement in zip(launches, agreements, strict=True)
    ]
    rates = [line for clients in CLIENTS for line in format_rates(cells, clients)]
    trials = [trial for _, of_contender in tuned for trial in of_contender]
    return [*rates, *format_rest(cells, candidates, TUNED_AT), *format_trials(trials)]


def _refuse_strangers(contenders: Sequence[Contender], agreements: Sequence[float]) -> None:
    for contender, agreement in zip(contenders, agreements, strict=True):
        _say(f"{contender.name}: same best class as topfive for {agreement:.3f} of the photos")
        if agreement < LEAST_AGREEMENT:
            raise ServerFailedError(
                f"{contender.name} names the same best class as topfive for {agreement:.3f} of "
                f"the photos, not for {LEAST_AGREEMENT}: it does other work"
            )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
