"""Has `topfive db` look at the history's database apart from this process.

So nothing of SQLAlchemy stays where workers are forked from. The database's address may hold a
password: the other process reads it from its own settings, because a command line can be seen by
others.
"""

from topfive.errors import HistoryUnreachable
from topfive.provider.reports import run_reporting


def prepare_in_own_process() -> None:
    """Make the tables in a new SQLite file, and check the schema of TOPFIVE_HISTORY_URL.

    Raises HistoryUnreachable where trying again may help, else a Mistake.
    """
    run_reporting(["db", "prepare"], HistoryUnreachable)
