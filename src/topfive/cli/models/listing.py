"""`topfive models list`, and how models and routes are shown."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from topfive.cli.models.options import of_service, open_client
from topfive.telemetry.console import printable

_STYLES = {"ready": "green", "failed": "red", "loading": "yellow", "draining": "yellow"}


@click.command("list")
@of_service
def list_models(url: str | None, key: str | None, as_json: bool) -> None:
    """Show all models of a running service, and its routes.

    The active version is meant where none is named; a pinned one stays loaded. While workers
    disagree, each is shown.

    \b
    Examples:
      topfive models list
      topfive models list --url http://10.0.0.4:5000 --json
    """
    found = open_client(url, key).get("models", has="models")
    if as_json:
        show_json(found)
        return
    Console().print(models_table(found["models"]))
    if found["routes"]:
        Console().print(routes_table(found["routes"]))
    if not found["settled"]:
        click.echo(f"Not every worker has followed generation {found['generation']} yet.")


def show_json(found: Any) -> None:
    """Print an answer as it came, indented."""
    click.echo(json.dumps(found, indent=2))


def models_table(models: list[dict[str, Any]]) -> Table:
    """Make a table of models: a row for each, and below it one for each worker that is told."""
    table = _table("model", "version", "state", "routes", "memory", "engine", "note")
    for one in models:
        engine = f"{one['engine']} {one['precision']}" if one["engine"] else ""
        _add(table, one["name"], _version(one), _state(one["state"]), ", ".join(one["routes"]),
             _memory(one["memory_bytes"]), engine, one["reason"] or "")  # fmt: skip
        for worker in one.get("workers", ()):
            where = f"worker {worker['worker']}"
            _add(table, "", where, _state(worker["state"]), "", "", "", worker["reason"] or "")
    return table


def routes_table(routes: dict[str, dict[str, Any]]) -> Table:
    """Make a table of routes: a row for each target, the shadow, and what was rolled back."""
    table = _table("route", "model", "share", "note")
    for alias, route in routes.items():
        total = sum(one["weight"] for one in route["targets"]) or 1
        taken_off = {(one["model"], one["version"]): one for one in route["rolled_back"]}
        for one in route["targets"]:
            back = taken_off.get((one["model"], one["version"]))
            note = f"rolled back at {back['at']}: {back['reason']}" if back else ""
            _add(table, alias, reference(one), f"{one['weight'] / total:.1%}", note)
        if route["shadow"]:
            _add(table, alias, reference(route["shadow"]), "shadow", "")
    return table


def reference(one: dict[str, Any]) -> str:
    """Write which model is meant, as it is written on the command line."""
    return f"{one['model']}@{one['version']}" if one["version"] else f"{one['model']} (active)"


def _table(*columns: str) -> Table:
    table = Table(header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _add(table: Table, *cells: str | Text) -> None:
    # Plain strings would be read as rich's markup.
    table.add_row(*(one if isinstance(one, Text) else Text(printable(one)) for one in cells))


def _version(model: dict[str, Any]) -> str:
    marks = [mark for mark in ("active", "pinned") if model[mark]]
    return f"{model['version']} ({', '.join(marks)})" if marks else str(model["version"])


def _state(state: str) -> Text:
    return Text(printable(state), _STYLES.get(state, ""))


def _memory(memory_bytes: int | None) -> str:
    return "" if memory_bytes is None else f"{memory_bytes / 1024**2:.0f} MB"
