"""The `topfive` command."""

import sys

import click

from topfive import __version__
from topfive.cli.bulk import bulk
from topfive.cli.classify import classify
from topfive.cli.db import db
from topfive.cli.doctor import doctor
from topfive.cli.evaluate import evaluate
from topfive.cli.importing import import_command
from topfive.cli.models import models
from topfive.cli.promote import promote
from topfive.cli.pull import pull
from topfive.cli.quantize import quantize
from topfive.cli.reload import reload
from topfive.cli.retrain import retrain
from topfive.cli.serve import serve
from topfive.cli.train import train
from topfive.errors import Mistake, OperatorError
from topfive.telemetry.console import printable_lines
from topfive.telemetry.logs import silence_pillow

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="topfive")
def commands() -> None:
    """Upload a picture, get its five most likely classes.

    Settings come from TOPFIVE_* variables and from a .env file; docs/settings.md lists them.

    \b
    Exit codes: 0 done; 1 something went wrong, as said on standard error; 2 wrong usage, or
    settings, weights or labels that cannot be used.
    """


for command in (
    serve,
    reload,
    models,
    pull,
    import_command,
    train,
    retrain,
    promote,
    quantize,
    evaluate,
    classify,
    bulk,
    db,
    doctor,
):
    commands.add_command(command)


def main() -> None:
    """Run the command line; an operator's error is one plain message and exit code 1 or 2."""
    silence_pillow()
    try:
        commands()
    except Mistake as mistake:
        click.echo(f"Error: {printable_lines(mistake)}", err=True)
        sys.exit(2)
    except OperatorError as error:
        click.echo(f"Error: {printable_lines(error)}", err=True)
        sys.exit(1)
