"""`topfive doctor`."""

import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from topfive.cli.findings import Report, examine
from topfive.settings import read_settings


@click.command(short_help="Show what would be chosen on this machine, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> None:
    """Show what topfive would choose on this machine, why, and what to do next.

    The exit code is 1 if the model cannot be loaded as things are.

    \b
    Examples:
      topfive doctor
      TOPFIVE_MODEL=resnet50 topfive doctor --json
    """
    report = examine(read_settings())
    if as_json:
        click.echo(_as_json(report))
    else:
        _print_table(report)
        click.echo("\nNext:")
        for step in report.next_steps:
            click.echo(f"- {step}")
    raise SystemExit(0 if report.is_model_fine else 1)


def _as_json(report: Report) -> str:
    shown: dict[str, object] = {
        one.about: {"found": one.found, "why": one.why} for one in report.findings
    }
    steps = {"found": report.next_steps, "why": "what to do next"}
    return json.dumps(shown | {"next steps": steps})


def _print_table(report: Report) -> None:
    table = Table(show_header=True, header_style="bold")
    for column in ("what", "found", "why"):
        table.add_column(column, overflow="fold")
    for one in report.findings:
        # Plain strings would be read as rich's markup.
        table.add_row(*map(Text, (one.about, one.found, one.why)))
    Console().print(table)
