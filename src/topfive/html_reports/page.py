"""A report as one HTML file: its template, and how it is written."""

import os
from collections.abc import Callable
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from topfive.errors import OperatorError


def open_template(package: str, **filters: Callable[..., str]) -> Template:
    """Open `templates/report.html` of a package, which extends `page.html` of this one.

    Whatever is put in is escaped; a name that is not given is an error. It has the filter
    `percent` and those that are given.
    """
    loaders = [PackageLoader(package), PackageLoader("topfive.html_reports")]
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=ChoiceLoader(loaders),
    )
    environment.filters.update(percent=percent, **filters)
    return environment.get_template("report.html")


def write_page(path: Path, html: str) -> None:
    """Write a report; raises OperatorError if it cannot be, and a former one is still there then.

    Names of files that are no UTF-8 are shown with a question mark.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(html.encode("utf-8", "replace"))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OperatorError(f"The report {path} cannot be written: {error.strerror}.") from error


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.{digits}f}%"
