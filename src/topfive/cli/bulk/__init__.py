"""`topfive bulk`: very many pictures into files, and what can be done with those."""

import click

from topfive.cli.bulk.report import report

__all__ = ["bulk"]


@click.group(short_help="Classify very many pictures into files, on Ray.")
def bulk() -> None:
    """Classify very many pictures into files, on Ray."""


bulk.add_command(report)
from topfive.cli.bulk.command import CommandWithOthers
from topfive.cli.bulk.score import score

__all__ = ["bulk"]

bulk = CommandWithOthers(score, ())
