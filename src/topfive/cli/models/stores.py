"""What the commands about a store share: which one is meant, and how a transfer is shown."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from topfive.errors import SettingsError
from topfive.settings import Settings
from topfive.stores.address import StoreAddress, parse_store
from topfive.stores.contract import NoProgress, Progress


def chosen_store(given: str | None, settings: Settings) -> StoreAddress:
    """Tell which store is meant: the one that is given, else TOPFIVE_MODEL_STORE."""
    text = given or settings.model_store
    if not text:
        raise SettingsError("No store is named. Give its address, or set TOPFIVE_MODEL_STORE.")
    try:
        return parse_store(text)
    except ValueError as error:
        # The address itself may hold a login.
        raise click.UsageError(f"This is no store's address: {error}.") from error


@contextmanager
def watched(*, is_for_terminal: bool = False) -> Iterator[Progress]:
    """Show a bar on standard error if that is a terminal, and nothing elsewhere.

    `is_for_terminal` says that what is written there is handed on to one.
    """
    console = Console(stderr=True, force_terminal=is_for_terminal or None)
    if not console.is_terminal:
        yield NoProgress()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console) as bars:
        yield _Shown(bars)


class _Shown:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, what: str, total_bytes: int | None) -> None:
        """Show one more bar."""
        self._task = self._bars.add_task(what, total=total_bytes)

    def advance(self, moved_bytes: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, moved_bytes)
