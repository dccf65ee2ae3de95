"""A command that takes an argument, or the name of one of its own commands in the place of it."""

from collections.abc import Sequence
from typing import Any

import click


class CommandWithOthers(click.Command):
    """Is `main`, unless the first argument is the name of one of `others`."""

    def __init__(self, main: click.Command, others: Sequence[click.Command]) -> None:
        super().__init__(
            name=main.name,
            callback=main.callback,
            params=main.params,
            help=main.help,
            short_help=main.short_help,
        )
        self.commands = {str(one.name): one for one in others}

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the arguments of whichever command is meant."""
        other = self.commands.get(args[0]) if args else None
        if other is None:
            return super().make_context(info_name, args, parent, **extra)
        return other.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, then the other commands."""
        super().format_options(ctx, formatter)
        rows = [
            (f"{ctx.info_name} {name}", one.get_short_help_str())
            for name, one in self.commands.items()
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
