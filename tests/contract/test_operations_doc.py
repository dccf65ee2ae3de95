"""docs/OPERATIONS.md agrees with the code: codes, numbers, sizes and alerts."""

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from topfive.errors import FAILURES
from topfive.images.limits import ImageLimits, decoding_bytes
from topfive.images.sniff import FORMATS
from topfive.machine.probe import Machine
from topfive.machine.sizing import SizingOptions, plan_sizing
from topfive.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "OPERATIONS.md").read_text()
ANCHORS = [re.sub(r"[^\w -]", "", title).replace(" ", "-").lower() for title in
           re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)]  # fmt: skip
UNITS = {"": 1, "s": 1, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}


def rows(header: str) -> list[list[str]]:
    """List the cells of the table that has this header line, without their backticks."""
    lines = TEXT[TEXT.index(f"\n{header}\n") + 1 :].splitlines()
    table = lines[2 : next(at for at, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table]


def value_of(name: str) -> float:
    """Look up what a row of the table names: the default of a setting or field, or a constant."""
    if name.startswith(PREFIX):
        default: float = Settings.model_fields[name.removeprefix(PREFIX).lower()].default
        return default
    module, _, constant = f"topfive.{name}".rpartition(".")
    owner, _, kind = module.rpartition(".")
    if not kind.islower():
        limits = getattr(import_module(owner), kind)
        return {one.name: one.default for one in fields(limits)}[constant]
    found: float = getattr(import_module(module), constant)
    return found


def test_headings_are_unique() -> None:
    """No two headings make the same anchor, so that every link leads where it should."""
    assert len(ANCHORS) == len(set(ANCHORS))


def test_links_within_lead_to_headings() -> None:
    """Every link within the document, and every code's and alert's, names a heading."""
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) - set(ANCHORS) == set()


@pytest.mark.parametrize("code", FAILURES)
def test_every_failure_has_its_section(code: str) -> None:
    """Each failure code has a heading of its own, which is also its anchor."""
    assert f"\n### {code}\n" in TEXT


@pytest.mark.parametrize("row", rows("| name | value | what it bounds |"), ids=lambda row: row[0])
def test_number_is_that_of_the_code(row: list[str]) -> None:
    """Each number in the table equals the constant, or the setting's default, that it names."""
    number, _, unit = row[1].partition(" ")
    assert float(number) * UNITS[unit] == value_of(row[0])


@pytest.mark.parametrize(
    "row",
    rows(
        "| CPUs | memory, MiB | workers | slots | queue | threads | decoding, MB | uploads, MiB "
        "| models, MiB |"
    ),
    ids=lambda row: f"{row[0]} CPUs, {row[1]} MiB",
)
def test_sizes_are_those_that_are_chosen(row: list[str]) -> None:
    """Each row of the table of sizes is what topfive chooses on such a machine."""
    cpus, memory_mib, *shown = map(int, row)
    machine = Machine(cpus, None, memory_mib * 1024**2, None, "", frozenset())
    chosen = plan_sizing(machine, SizingOptions())
    assert shown == [
        chosen.workers,
        chosen.slots,
        chosen.queue,
        chosen.threads,
        chosen.decoding_bytes // 1000**2,
        chosen.upload_bytes // 1024**2,
        chosen.model_bytes // 1024**2,
    ]


def test_decoding_costs_are_those_reckoned() -> None:
    """Each format is in the table with the bytes that a pixel of it is reckoned at."""
    largest = ImageLimits().max_pixels
    assert rows("| format | bytes a pixel | 25 megapixels, MB |") == [
        [name, str(decoding_bytes(name, 1)), str(decoding_bytes(name, largest) // 1000**2)]
        for name in FORMATS
    ]


def test_every_alert_has_its_section() -> None:
    """Each alert that is shipped, and each runbook address in it, leads to a heading here."""
    files = sorted(ROOT.glob("deploy/**/alerts.yaml"))
    if not files:
        pytest.skip("There are no alerts in deploy/ here.")
    rules = "\n".join(path.read_text() for path in files)
    named = {name.lower() for name in re.findall(r"alert: (\w+)", rules)}
    named |= set(re.findall(r"OPERATIONS\.md#([\w-]+)", rules))
    assert named - set(ANCHORS) == set()
