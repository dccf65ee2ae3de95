"""What several commands take, checked alike."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from topfive.bundles.manifest import check_name

# Neither connecting nor any one read may stand still longer than this.
_NETWORK_TIMEOUT_S = 20

models_dir_option = click.option(
    "--models-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where bundles are kept. [default: TOPFIVE_MODELS_DIR]",
)


class Channels(click.ParamType[tuple[float, float, float]]):
    """Three numbers separated by commas, for red, green and blue; `parse` raises ValueError."""

    name = "R,G,B"

    def __init__(self, parse: Callable[[str], tuple[float, float, float]]) -> None:
        self._parse = parse

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read the text; what is wrong with it is wrong usage."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"{value!r}: {error}.", param, ctx)


def check_named(name: str, option: str) -> str:
    """Give back what a bundle or version can be called; raises BadParameter that names `option`."""
    try:
        return check_name(name)
    except ValueError as error:
        raise click.BadParameter(f"{name!r}: {error}.", param_hint=option) from error


def limit_network_waits() -> None:
    """Have this process give up on a network that stands still for 20 seconds."""
    socket.setdefaulttimeout(_NETWORK_TIMEOUT_S)
