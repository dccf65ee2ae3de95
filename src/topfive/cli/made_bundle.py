"""What is shown of a bundle that was made, so that a wrong file or recipe is seen."""

from collections.abc import Sequence
from pathlib import Path

import click

from topfive.bundles.description import describe_bundle
from topfive.bundles.store import find_bundle, open_bundle


def show_made(folder: Path, notes: Sequence[tuple[str, str]] = ()) -> None:
    """Show on standard error what a bundle holds, with further titled `notes` before the last."""
    made = describe_bundle(open_bundle(folder))
    lines = [
        ("Model", f"{made.name}, version {made.version} ({made.architecture})"),
        ("Weights", made.source),
        ("Classes", f"{made.classes}: {made.first_classes}"),
        ("Recipe", made.recipe),
        *notes,
    ]
    if made.repeated_classes:
        lines.append(("Note", f"More than one class is called {made.repeated_classes}."))
    lines.append(("Serve", f"TOPFIVE_MODEL={shortest_name(folder, made.name)} topfive serve"))
    click.echo("\n".join(f"{title + ':':<9}{text}" for title, text in lines), err=True)


def shortest_name(folder: Path, name: str) -> str:
    """Tell how the bundle in `folder` is asked for: a name alone means the latest one."""
    latest = find_bundle(folder.parent.parent, name)
    if latest == folder:
        return name
    return str(folder) if "/" in str(folder) else f"./{folder}"
