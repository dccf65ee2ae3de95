"""How a command that `serve` runs apart tells it what went wrong."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from topfive.errors import Mistake, OperatorError


@contextmanager
def reporting(*, is_wanted: bool) -> Iterator[None]:
    """Tell of an error in JSON on standard output, for `serve`, where that is wanted."""
    try:
        yield
    except OperatorError as error:
        if not is_wanted:
            raise
        # A kind that one package alone knows is told as what all know.
        kinds = (one for one in type(error).__mro__ if one.__module__ == OperatorError.__module__)
        click.echo(json.dumps({"kind": next(kinds).__name__, "message": str(error)}))
        sys.exit(2 if isinstance(error, Mistake) else 1)
