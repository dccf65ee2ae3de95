"""How it is said that a model's file cannot be taken in."""

import re
from pathlib import Path

from topfive.bundles.source import shown
from topfive.errors import WeightsRefused

# Where in its source a library found out, which helps nobody here.
_WHERE = re.compile(
    r"^(Exception from |Check '|FrontEnd API failed|Model wasn't|Summary:|While validating )"
    r"|^Loading input model$|with a message:$"
)
_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_MOST_CHARACTERS = 160


def refuse(path: Path, why: str) -> WeightsRefused:
    """Make the error that names a file, and says what is wrong with it and what to do.

    What a file calls its own parts may be quoted in it: it shall not steer a terminal.
    """
    printable = "".join(one if one.isprintable() else "?" for one in why)
    return WeightsRefused(f"{shown(path)} {printable}")


def cause_of(error: Exception) -> str:
    """Take from a library's text the line that says what is wrong."""
    lines = [line.strip(" -\t") for line in str(error).splitlines()]
    telling = [line for line in lines if line and not _WHERE.search(line)]
    first = _CODE.sub("", telling[0]) if telling else type(error).__name__
    return first[:_MOST_CHARACTERS].rstrip(".!") + "."
