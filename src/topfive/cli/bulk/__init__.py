"""`topfive bulk`: very many pictures into files, and what can be done with those."""

from topfive.cli.bulk.command import CommandWithOthers
from topfive.cli.bulk.report import report
from topfive.cli.bulk.score import score
from topfive.cli.bulk.verify import verify

__all__ = ["bulk"]

bulk = CommandWithOthers(score, (report, verify))
