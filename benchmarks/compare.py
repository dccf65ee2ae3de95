"""Measure topfive beside LitServe and two bare Flask apps, in turn, on the same photos.

python benchmarks/compare.py --weights FILE.pth --photos DIR
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from contenders import Contender, count_cores, list_contenders
from report import describe_machine, describe_settings, describe_versions, find_setting
from server import ServerFailedError, clean_environment
from trials import ANSWER_TIMEOUT_S, FULL, QUICK, Bench, Extent, compare, read_info
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, REPOSITORY

PRECISIONS = ("f32", "bf16")
NOTES = """\
- Medians over the repeats; errors and failures are summed over them. `topfive / this` is the median
  of the ratios within each repeat: above 1 topfive is faster.
- Each load has a server of its own, started for it, and no other server runs meanwhile. A repeat is
  one load of each server at each number of clients; every other repeat goes backwards.
- Clients keep their connections and wait for each answer, {timeout_s:.0f} s at most. `/health` is
  asked 20 times a second, each time on a new connection; the server's CPU time includes it.
- The setup of a peer is the one that made most pictures per second at 10 clients; topfive runs as
  it comes, but without a rate limit.
- LitServe and Flask with OpenVINO serve the same graph at the same precision as topfive, torch the
  same weights in f32.
- Load generator and servers share the machine's cores.
"""


def make_bundle(topfive: Path, weights: Path, models: Path) -> Path:
    """Make the bundle that all OpenVINO servers serve; return its folder."""
    pull = [topfive, "pull", "mobilenet_v2", "--weights", weights, "--models-dir", models]
    done = subprocess.run(
        pull,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=models.parent,
        env=clean_environment({}),
    )
    if done.returncode:
        raise SystemExit("compare: the bundle cannot be made; see above")
    # A line is the bundle's folder; whatever else is said stands before it.
    return Path(done.stdout.strip().splitlines()[-1])


def share_settings(given: argparse.Namespace, models: Path) -> dict[str, str]:
    """Set up topfive and the peers by environment variables; each reads its own."""
    weights = str(given.weights.resolve())
    return {
        "BUNDLE": str(make_bundle(given.topfive.absolute(), given.weights.resolve(), models)),
        "WEIGHTS": weights,
        "TOPFIVE_WEIGHTS": weights,
        "TOPFIVE_MODELS_DIR": str(models),
        "TOPFIVE_PRECISION": given.precision,
        "TOPFIVE_HOST": "127.0.0.1",
        "TOPFIVE_RATE_LIMIT": "",
    }


def choose_extent(given: argparse.Namespace) -> Extent:
    """Take how much to measure from the command line."""
    extent = QUICK if given.quick else FULL
    return replace(
        extent,
        repeats=given.repeats or extent.repeats,
        load_s=given.seconds or extent.load_s,
    )


def run(given: argparse.Namespace, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Measure everything; return the facts to judge it by, and the tables."""
    models = folder / "models"
    models.mkdir()
    contenders = list_contenders(given.topfive.absolute(), count_cores())
    shared = share_settings(given, models)
    bench = Bench(given.photos, shared, folder, choose_extent(given))
    info = read_info(bench, contenders[0])
    precision = str(find_setting(info, "precision"))
    if precision not in PRECISIONS:
        raise SystemExit(f"compare: the peers cannot serve {precision}; give --precision f32")
    bench = replace(bench, shared=shared | {"PRECISION": precision})
    facts = describe_machine() | {"load average at the start": f"{os.getloadavg()[0]:.1f}"}
    return facts | describe_settings(info) | _list_versions(contenders), compare(bench, contenders)


def _list_versions(contenders: Sequence[Contender]) -> dict[str, str]:
    return {
        f"versions for {one.name}": describe_versions(one.python, one.packages)["versions"]
        for one in contenders
    }


def write_report(out: Path, facts: dict[str, str], tables: Sequence[str]) -> None:
    """Write the report as Markdown, and print it."""
    date = datetime.now(UTC).date().isoformat()
    command = shlex.join(["python", "benchmarks/compare.py", *sys.argv[1:]])
    head = {"date": date, "command": f"`{command}`"} | facts
    lines = ["# topfive beside others", "", *(f"- {name}: {said}" for name, said in head.items())]
    text = "\n".join([*lines, "", *tables, NOTES.format(timeout_s=ANSWER_TIMEOUT_S)])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    print(text)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    date = datetime.now(UTC).date().isoformat()
    parser.add_argument("--topfive", type=Path, default=REPOSITORY / ".venv/bin/topfive")
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="MobileNetV2's .pth")
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--precision", choices=("auto", *PRECISIONS), default="auto")
    parser.add_argument("--repeats", type=int, help=f"[default: {FULL.repeats}]")
    parser.add_argument("--seconds", type=float, help=f"of one load [default: {FULL.load_s:.0f}]")
    parser.add_argument("--quick", action="store_true", help="to try the script out")
    parser.add_argument(
        "--out", type=Path, default=REPOSITORY / f"benchmarks/results/{date}-compare.md"
    )
    return parser.parse_args()


def main() -> None:
    """Measure, print the tables and write them."""
    given = _parse_arguments()
    # So that the servers are stopped also when this process is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with TemporaryDirectory(prefix="topfive-compare-") as folder:
        try:
            facts, tables = run(given, Path(folder))
        except (ServerFailedError, FileNotFoundError, ValueError) as error:
            raise SystemExit(f"compare: {error}") from error
    write_report(given.out, facts, tables)


if __name__ == "__main__":
    main()
