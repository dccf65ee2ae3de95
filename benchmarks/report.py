"""A dated Markdown report: the machine, the versions, the settings and the figures."""

import os
import platform
import re
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTABLE_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
PACKAGES = ("topfive", "openvino", "pillow", "numpy", "flask", "gunicorn")
SETTINGS = ("engine", "precision", "workers", "slots")
VERSIONS_PROGRAM = """
import platform, sys
from importlib.metadata import PackageNotFoundError, version
print("python", platform.python_version())
for name in sys.argv[1:]:
    try:
        print(name, version(name))
    except PackageNotFoundError:
        print(name, "not installed")
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: a value per repeat, and the reference's where there is one."""

    name: str
    values: Sequence[float]
    digits: int = 1
    reference: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All that a reader needs to judge and repeat the figures."""

    title: str
    date: str
    command: str
    facts: Mapping[str, str]
    figures: Sequence[Figure]
    notes: Sequence[str]


def describe_machine() -> dict[str, str]:
    """Name the processor, its notable instructions, the cores to use and the memory."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    family = re.search(r"^cpu family\s*: (\d+)\nmodel\s*: (\d+)$", cpuinfo, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.+)$", cpuinfo, re.MULTILINE)
    known = flags[1].split() if flags else []
    present = [f"{flag} {'yes' if flag in known else 'no'}" for flag in NOTABLE_FLAGS]
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = model[1] if model else platform.machine()
    return {
        "processor": f"{name} (family {family[1]}, model {family[2]})" if family else name,
        "instructions": ", ".join(present),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_gib:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
    }


def describe_versions(python: Path, packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Ask the server's own Python for the versions it runs with."""
    command: list[str | Path] = [python, "-c", VERSIONS_PROGRAM, *packages]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    pairs = (line.split(" ", 1) for line in answer.stdout.splitlines())
    return {"versions": ", ".join(f"{name} {version}" for name, version in pairs)}


def describe_settings(info: Mapping[str, Any]) -> dict[str, str]:
    """Take the settings that matter for speed from /info, at whatever depth they stand."""
    found = {name: find_setting(info, name) for name in SETTINGS}
    return {"settings": ", ".join(f"{name} {value}" for name, value in found.items())}


def find_setting(info: object, name: str) -> object:
    """Look for a key at any depth, the outermost first."""
    level = [info]
    while level:
        mappings = [one for one in level if isinstance(one, dict)]
        for mapping in mappings:
            if name in mapping and not isinstance(mapping[name], dict):
                return mapping[name]
        level = [value for mapping in mappings for value in mapping.values()]
    return "unknown"


def format_markdown(report: Report) -> str:
    """Write the report as Markdown."""
    facts = [f"- {name}: {value}" for name, value in report.facts.items()]
    return "\n".join(
        [
            f"# {report.title}",
            "",
            f"- date: {report.date}",
            f"- command: `{report.command}`",
            *facts,
            "",
            "| measure | median | lowest | highest | torch reference |",
            "|---|---:|---:|---:|---:|",
            *(_format_figure(figure) for figure in report.figures),
            "",
            *(f"- {note}" for note in report.notes),
            "",
        ]
    )


def _format_figure(figure: Figure) -> str:
    cells = [statistics.median(figure.values), min(figure.values), max(figure.values)]
    texts = [f"{value:.{figure.digits}f}" for value in cells]
    reference = "" if figure.reference is None else f"{figure.reference:.{figure.digits}f}"
    return f"| {figure.name} | {' | '.join(texts)} | {reference} |"
