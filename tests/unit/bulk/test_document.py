"""docs/BULK.md says what the code does."""

import re
from pathlib import Path

from click.testing import CliRunner

from topfive.bulk.report.failures import ADVICE
from topfive.bulk.results.columns import COLUMNS
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.scoring import UNREADABLE
from topfive.cli import commands
from topfive.errors import FAILURES

TEXT = (Path(__file__).parents[3] / "docs" / "BULK.md").read_text()


def rows_below(head: str) -> list[str]:
    """Read the first cells of the table with this head."""
    table = TEXT.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return [line.split(" | ")[0] for line in table.splitlines()[2:]]


def test_every_column_is_told_in_order() -> None:
    """The table of columns has all of them, and no others."""
    told = re.findall(r"`(\w+)`", " ".join(rows_below("column")))
    skipped = {
        f"{kind}_{place}" for place in (3, 4) for kind in ("class_id", "class", "confidence")
    }
    assert told == [one.name for one in COLUMNS if one.name not in skipped]


def test_every_failure_has_advice_in_both_places() -> None:
    """The table of errors and the report know the same codes."""
    told = re.findall(r"`(\w+)`", " ".join(rows_below("`error`")))
    assert set(told) == set(ADVICE)
    assert set(told) - set(FAILURES) == {UNREADABLE}


def test_options_that_are_told_exist_and_all_forms_are_told() -> None:
    """No option is named that the command would refuse."""
    runner = CliRunner()
    known = "".join(
        runner.invoke(commands, [*words, "--help"]).output
        for words in (["bulk"], ["bulk", "report"])
    )
    named = set(re.findall(r"--[a-z][a-z-]+", TEXT)) - {"--head"}
    assert {one for one in named if one not in known} == set()
    assert [one for one in ResultFormat if f"`{one}`" not in TEXT] == []
