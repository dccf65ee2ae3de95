"""Whether the history that settings name can be kept, before there is a worker."""

from importlib.util import find_spec

from topfive.errors import HistoryUnreachable, SettingsError
from topfive.history.address import needed_packages
from topfive.provider.history_process import prepare_in_own_process
from topfive.settings import Settings
from topfive.telemetry.logs import get_logger


def history_mistakes(settings: Settings) -> list[str]:
    """List what is wrong with the history and can be seen without its database."""
    if not settings.history_url:
        return []
    needed = needed_packages(settings.history_url)
    missing = [name for name in needed.names if find_spec(name) is None]
    if not missing:
        return []
    problem = (
        f"TOPFIVE_HISTORY_URL needs {' and '.join(missing)}, which is not installed: "
        f"pip install -r {needed.requirements}"
    )
    return [problem]


def prepare_history(settings: Settings) -> None:
    """Make the tables in a new SQLite file, and check the schema.

    Raises a Mistake where workers could write nothing whatever they wait. A database that does not
    answer is told in the log: predictions are served all the same.
    """
    if not settings.history_url:
        return
    for problem in history_mistakes(settings):
        raise SettingsError(problem)
    try:
        prepare_in_own_process()
    except HistoryUnreachable as error:
        get_logger().warning("history_not_checked", reason=str(error))
