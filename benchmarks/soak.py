"""Measure how a topfive bears overload, slow clients, reloads and hostile pictures.

python benchmarks/soak.py --weights FILE.pth --photos DIR --hostile DIR
"""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import disturbances
import leak
import overload
import slow_clients
from findings import Section, format_section
from materials import QUICK, Extent, Materials
from report import describe_machine, describe_versions
from server import ServerFailedError
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, REPOSITORY

HOSTILE_FOLDERS = (
    REPOSITORY / "../shared/hostile/images",
    REPOSITORY / "tests/hostile/regressions",
)
Part = Callable[[Materials], Iterator[Section]]
PARTS: dict[str, Part] = {
    "overload": overload.measure,
    "slow": slow_clients.measure,
    "disturb": disturbances.measure,
    "leak": leak.measure,
}
NOTES = """\
- Where there are repeats, a cell holds the median and in brackets the lowest and the highest. A
  bound on a rate or a time is held against the median, "none" against every repeat.
- Clients, probe and attacker share the machine's cores with the server and take their part of them,
  so that goodput is understated.
- /health is asked every 50 ms, on a new connection each time.
- Where other work shares the machine, rates differ from run to run: compare ratios.
"""


def measure(parts: Sequence[str], materials: Materials) -> list[Section]:
    """Run the parts in turn; one that fails does not take the others' figures with it."""
    sections: list[Section] = []
    for name in parts:
        print(f"soak: {name}", file=sys.stderr, flush=True)
        try:
            sections.extend(PARTS[name](materials))
        except (ServerFailedError, OSError) as error:
            sections.append(Section(name, (), (), failure=str(error)))
    return sections


def describe_circumstances() -> dict[str, str]:
    """Tell how busy the machine is with other things, and this run's standing among them."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    facts = {"load average before": load}
    group = Path("/proc/self/autogroup")
    if group.is_file():
        facts["scheduling group"] = group.read_text(encoding="ascii").split(" ", 1)[1].strip()
    return facts


def format_document(facts: dict[str, str], sections: Sequence[Section]) -> str:
    """Write everything as Markdown: the facts, what was missed, a table for each section."""
    bounds = [one for section in sections for one in section.findings if one.bound]
    unmet = [line for section in sections for line in section.unmet]
    met = sum(one.is_met for one in bounds)
    return "\n".join(
        [
            "# Soak",
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            f"- bounds met: {met} of {len(bounds)}",
            "",
            *(f"- not met: {line}" for line in unmet),
            *([""] if unmet else []),
            *(line for section in sections for line in format_section(section)),
            "## Notes",
            "",
            NOTES,
        ]
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--topfive", type=Path, default=REPOSITORY / ".venv/bin/topfive")
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--hostile", type=Path, default=_find_hostile())
    parser.add_argument("--only", type=_parse_parts, default=list(PARTS), metavar=",".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a trial; the figures mean little")
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    return parser.parse_args()


def _find_hostile() -> Path:
    there = [folder for folder in HOSTILE_FOLDERS if folder.is_dir()]
    return (there or HOSTILE_FOLDERS)[0]


def _parse_parts(text: str) -> list[str]:
    parts = text.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(PARTS)}")
    return parts


def _choose_out(given: argparse.Namespace, date: str) -> Path | None:
    """Choose the file to write; a part or a trial must not pass for the whole."""
    if given.out or given.quick or given.only != list(PARTS):
        out: Path | None = given.out
        return out
    return REPOSITORY / f"benchmarks/results/{date}-soak.md"


def run(given: argparse.Namespace, folder: Path) -> tuple[str, bool]:
    """Measure what was asked for; return the document, and whether every bound is met."""
    extent = QUICK if given.quick else Extent()
    script = given.topfive.absolute()
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"`{shlex.join(['python', 'benchmarks/soak.py', *sys.argv[1:]])}`",
        **describe_machine(),
        **describe_versions(script.with_name("python")),
        **describe_circumstances(),
    }
    materials = Materials(
        script, given.weights.resolve(), given.photos, given.hostile, folder, extent
    )
    sections = measure(given.only, materials)
    return format_document(facts, sections), not any(section.unmet for section in sections)


def main() -> None:
    """Measure, print and write the tables; exit with 1 where a bound is not met."""
    given = _parse_arguments()
    # So that the server is stopped also when this process is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out = _choose_out(given, datetime.now(UTC).date().isoformat())
    with TemporaryDirectory(prefix="topfive-soak-") as folder:
        text, is_met = run(given, Path(folder))
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
