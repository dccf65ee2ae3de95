"""Measure a whole topfive in one run: start, accuracy, latency, CPU time, memory, health.

python benchmarks/first_light.py --weights FILE.pth --photos DIR
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from closed_loop import LoopLimits
from load import LoadPlan, LoadReport, run_load
from report import (
    Figure,
    Report,
    describe_machine,
    describe_settings,
    describe_versions,
    format_markdown,
)
from server import Server, ServerFailedError, ServerPlan, is_ready, serving
from uploads import (
    DEFAULT_PHOTOS,
    DEFAULT_WEIGHTS,
    REPOSITORY,
    Address,
    LabelledPhoto,
    ask_json,
    classify,
    read_labels,
    score,
)

LOAD_S = 120.0
NOTES = (
    "Lowest and highest are over the repeats; each repeat starts the server anew.",
    "One client runs without the /health probe; at ten the CPU time includes its 20 per second.",
    "The load generator shares the machine's cores with the server.",
    "The start is measured with the bundle on disk and its files in the page cache.",
)

Answers = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Task:
    """What to measure."""

    plan: ServerPlan
    photos: Path
    requests: int
    repeats: int


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What the start that makes the bundle showed."""

    start_s: float
    answers: Answers
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Repeat:
    """What one later start and its loads showed."""

    start_s: float
    one: LoadReport
    ten: LoadReport


def start_first(task: Task, photos: Sequence[LabelledPhoto]) -> FirstStart:
    """Let the server make its bundle, then classify every photo once."""
    with serving(task.plan) as server:
        start_s = server.wait_until(is_ready)
        answers = {photo.path.name: classify(server.address, photo.path) for photo in photos}
        return FirstStart(start_s, answers, ask_json(server.address, "/info"))


def measure_repeat(task: Task, known: LabelledPhoto) -> Repeat:
    """Start from the bundle on disk up to the first right answer, then load the server."""
    with serving(task.plan) as server:
        start_s = server.wait_until(lambda address: _is_right(address, known))
        server.wait_until(is_ready)
        one = run_load(_plan_load(task, server, 1))
        return Repeat(start_s, one, run_load(_plan_load(task, server, 10)))


def _plan_load(task: Task, server: Server, clients: int) -> LoadPlan:
    requests = task.requests if clients > 1 else max(1, task.requests // 4)
    limits = LoopLimits(clients, requests, LOAD_S)
    probe_s = 0.05 if clients > 1 else 0.0
    return LoadPlan(
        server.url, task.photos, limits, probe_interval_s=probe_s, server_pid=server.process.pid
    )


def _is_right(address: Address, photo: LabelledPhoto) -> bool:
    try:
        return list(classify(address, photo.path)[:1]) == [photo.class_id]
    except OSError:
        return False


def find_known(photos: Sequence[LabelledPhoto], answers: Answers) -> LabelledPhoto:
    """Choose a photo that the service gets right, to recognise a right answer by."""
    for photo in photos:
        if list(answers[photo.path.name][:1]) == [photo.class_id]:
            return photo
    raise ServerFailedError("the service gets no photo right")


def ask_reference(python: Path, weights: Path, photos: Path) -> Answers | None:
    """Let torch classify the same photos in a process of its own; None when it cannot."""
    script = Path(__file__).with_name("reference.py")
    command: list[str | Path] = [python, script, "--weights", weights, "--photos", photos, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"no reference:\n{done.stderr}", file=sys.stderr)
        return None
    answers: Answers = json.loads(done.stdout)["top_five_ids"]
    return answers


def list_accuracy(
    photos: Sequence[LabelledPhoto], answers: Answers, reference: Answers | None
) -> list[Figure]:
    """Set the service's accuracy beside the reference's."""
    ours = score(photos, answers)
    if reference is None:
        return [Figure("top-1", ours[:1], 3), Figure("top-5", ours[1:], 3)]
    theirs = score(photos, reference)
    same = mean(list(answers[name][:1]) == ids[:1] for name, ids in reference.items())
    return [
        Figure("top-1", ours[:1], 3, theirs[0]),
        Figure("top-5", ours[1:], 3, theirs[1]),
        Figure("same best class as the reference, share of photos", [same], 3),
    ]


def list_load(repeats: Sequence[Repeat]) -> list[Figure]:
    """Take the figures of the loads from all repeats."""
    ones, tens = [one.one for one in repeats], [one.ten for one in repeats]
    return [
        Figure("1 client: p50, ms", [one.p50_ms for one in ones]),
        Figure("1 client: p99, ms", [one.p99_ms for one in ones]),
        Figure("1 client: server CPU per request, ms", [_cpu_ms(one) for one in ones], 2),
        Figure("10 clients: p50, ms", [ten.p50_ms for ten in tens]),
        Figure("10 clients: p99, ms", [ten.p99_ms for ten in tens]),
        Figure("10 clients: pictures per second", [ten.throughput_per_s for ten in tens]),
        Figure("10 clients: server CPU per request, ms", [_cpu_ms(ten) for ten in tens], 2),
        Figure("10 clients: CPU share of the busiest worker", [_top_share(x) for x in tens], 2),
        Figure("10 clients: /health p99, ms", [ten.health_p99_ms for ten in tens]),
        Figure("10 clients: /health highest, ms", [ten.health_max_ms for ten in tens]),
        Figure("errors of both loads", [_errors(one) for one in repeats], 0),
        Figure("PSS per worker, MiB", [mean(w.pss_mib for w in ten.workers) for ten in tens]),
        Figure("RSS per worker, MiB", [mean(w.rss_mib for w in ten.workers) for ten in tens]),
        Figure(
            "generator CPU per request at 10 clients, ms",
            [ten.generator_cpu_ms_per_request for ten in tens],
            2,
        ),
    ]


def _cpu_ms(load: LoadReport) -> float:
    return load.server_cpu_ms_per_request or 0.0


def _top_share(load: LoadReport) -> float:
    cpu_ms = [worker.cpu_ms for worker in load.workers]
    return max(cpu_ms) / max(sum(cpu_ms), 1.0)


def _errors(repeat: Repeat) -> int:
    faults = [*repeat.one.errors.values(), *repeat.ten.errors.values()]
    return sum(faults) + repeat.ten.health_failures


def measure(task: Task, reference: Answers | None) -> tuple[list[Figure], FirstStart]:
    """Measure everything and list the figures in the order of the table."""
    photos = read_labels(task.photos)
    first = start_first(task, photos)
    known = find_known(photos, first.answers)
    repeats = [measure_repeat(task, known) for _ in range(task.repeats)]
    figures = [
        Figure("first start up to ready, making the bundle, s", [first.start_s], 2),
        Figure("start up to the first right answer, s", [one.start_s for one in repeats], 2),
        *list_accuracy(photos, first.answers, reference),
        *list_load(repeats),
    ]
    return figures, first


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--topfive", type=Path, default=REPOSITORY / ".venv/bin/topfive")
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--requests", type=int, default=2000, help="at 10 clients; a quarter at 1")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--no-reference", action="store_true", help="where torch is not installed")
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    return parser.parse_args()


def _build_settings(given: argparse.Namespace, folder: Path) -> dict[str, str]:
    extra = dict(pair.split("=", 1) for pair in given.env)
    return {
        "TOPFIVE_MODEL": given.model,
        "TOPFIVE_WEIGHTS": str(given.weights.resolve()),
        "TOPFIVE_MODELS_DIR": str(folder / "models"),
        "TOPFIVE_HOST": "127.0.0.1",
        "TOPFIVE_PORT": "0",
        "TOPFIVE_RATE_LIMIT": "",
    } | extra


def _write_report(given: argparse.Namespace, figures: Sequence[Figure], first: FirstStart) -> None:
    date = datetime.now(UTC).date().isoformat()
    out = given.out or REPOSITORY / f"benchmarks/results/{date}-first-light.md"
    python = given.topfive.absolute().with_name("python")
    command = shlex.join(["python", "benchmarks/first_light.py", *sys.argv[1:]])
    facts = describe_machine() | describe_versions(python) | describe_settings(first.info)
    text = format_markdown(Report("First light", date, command, facts, figures, NOTES))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    print(text)


def main() -> None:
    """Measure, print the table and write it."""
    given = _parse_arguments()
    # So that the server is stopped also when this process is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    python, script = Path(sys.executable), given.topfive.absolute()
    skip = given.no_reference
    reference = None if skip else ask_reference(python, given.weights, given.photos)
    with TemporaryDirectory(prefix="topfive-first-light-") as folder:
        plan = ServerPlan(script, _build_settings(given, Path(folder)), Path(folder))
        task = Task(plan, given.photos, given.requests, given.repeats)
        figures, first = measure(task, reference)
    _write_report(given, figures, first)


if __name__ == "__main__":
    main()
