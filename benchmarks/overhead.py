"""Measure what the server itself costs: its CPU time a picture, less that of the bare pipeline.

python benchmarks/overhead.py --weights FILE --photos DIR

The bare pipeline is the classifier in a plain loop, without HTTP, in a process of its own. It and
the server take turns in one run, so that a noisy machine disturbs both alike.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from closed_loop import ClosedLoop, LoopLimits
from process_tree import read_tree, total_cpu_ms
from server import ServerPlan, is_ready, serving
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, Address, build_request, list_photos

CLIENTS = (1, 2, 10)


@dataclass(frozen=True, slots=True)
class Turn:
    """One measurement: CPU milliseconds a picture of both, and pictures a second."""

    clients: int
    server_ms: float
    bare_ms: float
    per_s: float

    @property
    def overhead_ms(self) -> float:
        """What HTTP and everything around the model cost."""
        return self.server_ms - self.bare_ms


def measure_bare(settings: dict[str, str], photos: Path, count: int) -> float:
    """Classify `count` pictures without HTTP in a process of its own; CPU milliseconds each."""
    command = [sys.executable, __file__, "--bare", str(count), "--photos", str(photos)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TOPFIVE_")} | settings
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["cpu_ms"])


def run_bare(photos: Path, count: int) -> float:
    """Classify `count` pictures in this process, as a server's slot does; CPU milliseconds each."""
    from topfive.images.sniff import sniff  # noqa: PLC0415 - the server's side needs no model
    from topfive.settings import read_settings  # noqa: PLC0415
    from topfive.wiring import build_service  # noqa: PLC0415

    service = build_service(read_settings())
    classifier = service.describe().state.serving
    limits = service.limits.image
    pictures = [path.read_bytes() for path in list_photos(photos)]
    for data in pictures[:10]:
        classifier.classify(sniff(data, limits), 5)
    before_ms = time.process_time() * 1000
    for number in range(count):
        classifier.classify(sniff(pictures[number % len(pictures)], limits), 5)
    return (time.process_time() * 1000 - before_ms) / count


def measure_server(
    address: Address, pid: int, photos: Path, clients: int, count: int
) -> tuple[float, float]:
    """Send `count` pictures; returns the server's CPU milliseconds each, and pictures a second."""
    requests = [build_request(photo, address) for photo in list_photos(photos)]
    ClosedLoop(address, requests, LoopLimits(clients, 4 * clients, 60.0)).run()
    before_ms = total_cpu_ms(read_tree(pid))
    result = ClosedLoop(address, requests, LoopLimits(clients, count, 120.0)).run()
    cpu_ms = total_cpu_ms(read_tree(pid)) - before_ms
    if result.errors:
        raise RuntimeError(f"not every picture was classified: {dict(result.errors)}")
    return cpu_ms / count, count / result.duration_s


def measure(
    script: Path, settings: dict[str, str], photos: Path, repeats: int, count: int
) -> list[Turn]:
    """Take turns between bare pipeline and server, `repeats` times for each number of clients."""
    turns = []
    with (
        TemporaryDirectory() as folder,
        serving(ServerPlan(script, settings, Path(folder))) as server,
    ):
        server.wait_until(is_ready)
        for _ in range(repeats):
            for clients in CLIENTS:
                bare_ms = measure_bare(settings, photos, count)
                server_ms, per_s = measure_server(
                    server.address, server.process.pid, photos, clients, count
                )
                turns.append(Turn(clients, server_ms, bare_ms, per_s))
    return turns


def format_turns(turns: list[Turn]) -> str:
    """Write the medians as a Markdown table."""
    lines = [
        "| clients | server ms | bare ms | overhead ms | pictures/s |",
        "|---|---|---|---|---|",
    ]
    for clients in CLIENTS:
        mine = [turn for turn in turns if turn.clients == clients]
        cells = [
            statistics.median(getattr(turn, name) for turn in mine)
            for name in ("server_ms", "bare_ms", "overhead_ms", "per_s")
        ]
        lines.append(f"| {clients} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare:
        print(json.dumps({"cpu_ms": run_bare(given.photos, given.bare)}))
        return
    settings = {
        "TOPFIVE_WEIGHTS": str(given.weights.resolve()),
        "TOPFIVE_MODELS_DIR": str((given.models_dir or Path("models")).resolve()),
        "TOPFIVE_PRECISION": given.precision,
        "TOPFIVE_HOST": "127.0.0.1",
        "TOPFIVE_PORT": "0",
        "TOPFIVE_RATE_LIMIT": "",
    }
    script = Path(sys.executable).with_name("topfive")
    print(format_turns(measure(script, settings, given.photos, given.repeats, given.count)))


if __name__ == "__main__":
    main()
