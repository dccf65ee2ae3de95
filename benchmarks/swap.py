"""What clients notice of a model that is swapped while it serves, and what memory it takes.

python benchmarks/swap.py --weights WEIGHTS --photos DIR [--swaps 20] [--out FILE]
"""

import argparse
import json
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path

from closed_loop import ClosedLoop, LoopLimits, LoopResult
from materials import Extent, Materials, describe
from probe import percentile
from process_tree import list_children
from server import Server
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, REPOSITORY, ask_json

CLIENTS = 10
REST_S = 1.5
MIB = 1024**2


@dataclass
class Course:
    """When each swap was ordered and when all workers had it; the workers' memory in MiB."""

    spans_s: list[tuple[float, float]] = field(default_factory=list)
    before_mib: float = 0.0
    most_mib: float = 0.0
    after_mib: float = 0.0


def second_version(models: Path) -> tuple[str, str, str]:
    """Copy the bundle that is there under another version; returns its name and both versions."""
    (manifest,) = models.glob("[!.]*/[!.]*/bundle.json")
    found = json.loads(manifest.read_text("utf-8"))
    copy = manifest.parent.with_name("second")
    shutil.copytree(manifest.parent, copy)
    (copy / "bundle.json").write_text(json.dumps(found | {"version": "second"}), "utf-8")
    return found["name"], found["version"], "second"


def order(server: Server, name: str, version: str) -> None:
    """Activate a version, and wait until every worker has it."""
    address = server.address
    connection = HTTPConnection(address.host, address.port, timeout=120)
    connection.request("POST", f"/models/{name}/versions/{version}/activate?wait_s=100")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 202 or not json.loads(body)["settled"]:
        raise RuntimeError(f"the swap failed: {answer.status} {body!r}")


def own_memory_mib(server: Server) -> float:
    """Add up the memory of all workers that is no file's."""
    total = 0
    for pid in list_children(server.process.pid):
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
        total += int(status.split("RssAnon:")[1].split()[0]) * 1024
    return total / MIB


def swap_again_and_again(
    server: Server, model: tuple[str, str, str], swaps: int, calm_s: float
) -> Course:
    """Rest, swap so often with a rest after each, and rest again."""
    course, (name, *versions) = Course(), model
    time.sleep(calm_s)
    course.before_mib = own_memory_mib(server)
    for version in islice(cycle(reversed(versions)), swaps):
        began_s = time.perf_counter()
        order(server, name, version)
        course.spans_s.append((began_s, time.perf_counter()))
        course.most_mib = max(course.most_mib, own_memory_mib(server))
        time.sleep(REST_S)
    time.sleep(calm_s)
    course.after_mib = own_memory_mib(server)
    return course


def measure(materials: Materials, model: str, swaps: int, calm_s: float) -> list[str]:
    """Swap under load; returns lines of a table."""
    with materials.serving(model, {"TOPFIVE_MODEL": model}) as server:
        found = second_version(materials.folder / "models")
        told = describe(server)
        limits = LoopLimits(CLIENTS, 1_000_000, 2 * calm_s + swaps * 60, 60.0)
        loop = ClosedLoop(server.address, materials.requests(server.address), limits)
        with ThreadPoolExecutor(1) as pool:
            swapping = pool.submit(swap_again_and_again, server, found, swaps, calm_s)
            swapping.add_done_callback(lambda _: loop.stop())
            seen = loop.run()
            course = swapping.result()
        (serving,) = [
            one for one in ask_json(server.address, "/models")["models"] if one["state"] == "ready"
        ]
    return [told, "", *_table(seen, course), "", *_memory(course, serving["memory_bytes"] / MIB)]


def _table(seen: LoopResult, course: Course) -> list[str]:
    first_s, last_s = course.spans_s[0][0], course.spans_s[-1][1]
    parts: dict[str, list[float]] = {"before": [], "during": [], "between": [], "after": []}
    for latency_ms, answered_s in zip(seen.latencies_ms, seen.answered_s, strict=True):
        asked_s = answered_s - latency_ms / 1000
        if any(asked_s < end_s and answered_s > began_s for began_s, end_s in course.spans_s):
            parts["during"].append(latency_ms)
        elif answered_s <= first_s:
            parts["before"].append(latency_ms)
        else:
            parts["after" if asked_s >= last_s else "between"].append(latency_ms)
    took_s = sorted(end_s - began_s for began_s, end_s in course.spans_s)
    lines = [
        "| swaps | answers | failed | p50, ms | p99, ms | max, ms |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {len(found)} | | {percentile(found, 50):.1f} | {percentile(found, 99):.1f} "
        f"| {max(found):.1f} |"
        for name, found in parts.items()
        if found
    ]
    failed = dict(seen.errors) or 0
    lines.append(f"| all | {len(seen.latencies_ms)} | {failed} | | | |")
    return [*lines, "", _ratios(parts, took_s)]


def _ratios(parts: dict[str, list[float]], took_s: list[float]) -> str:
    during, before, between = (
        percentile(parts[name], 99) for name in ("during", "before", "between")
    )
    return (
        f"p99 during: {during / before:.2f} times that before, {during / between:.2f} times that "
        f"between. {len(took_s)} swaps took {took_s[len(took_s) // 2]:.2f} s each, at most "
        f"{took_s[-1]:.2f} s."
    )


def _memory(course: Course, model_mib: float) -> list[str]:
    return [
        "| all workers' own memory | MiB |",
        "|---|---|",
        f"| before | {course.before_mib:.0f} |",
        f"| the most after any swap | {course.most_mib:.0f} |",
        f"| at the end | {course.after_mib:.0f} |",
        f"| one model in one worker, as /models tells | {model_mib:.0f} |",
    ]


def main() -> None:
    """Measure, print, and write a file where one is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", default=str(DEFAULT_WEIGHTS))
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--calm-s", type=float, default=15.0, help="before and after the swaps")
    parser.add_argument("--script", type=Path, default=REPOSITORY / ".venv/bin/topfive")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        materials = Materials(
            given.script, Path(given.weights).resolve(), given.photos, given.photos,
            Path(folder), Extent(),
        )  # fmt: skip
        lines = measure(materials, given.model, given.swaps, given.calm_s)
    print("\n".join(lines))
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
