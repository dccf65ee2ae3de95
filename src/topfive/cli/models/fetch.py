"""`topfive models fetch`."""

from pathlib import Path

import click

from topfive.bundles.versions import ModelReference, parse_reference
from topfive.cli.models.stores import chosen_store, watched
from topfive.cli.parameters import models_dir_option
from topfive.cli.reporting import reporting
from topfive.settings import read_settings
from topfive.stores.choice import choose_stored
from topfive.stores.download import fetch_bundle
from topfive.stores.opening import open_store


@click.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--store", help="The store's address. [default: TOPFIVE_MODEL_STORE]")
@models_dir_option
@click.option("--report", is_flag=True, hidden=True, help="Tell of an error in JSON, for `serve`.")
@click.option("--progress", is_flag=True, hidden=True, help="Show a bar, which `serve` hands on.")
def fetch(
    reference: str,
    *,
    store: str | None,
    models_dir: Path | None,
    report: bool,
    progress: bool,
) -> None:
    """Bring a bundle from a store into the models directory.

    Without a version the latest is meant. Prints the bundle's folder. It is downloaded beside its
    place, every hash is checked, then it is renamed. What is there already is left as it is.

    \b
    Examples:
      topfive models fetch flowers --store s3://my-models/production
      topfive models fetch flowers@1.2.0
      topfive models fetch flowers@sha256:5f1c1a2b3c4d --store https://models.example.org
    """
    wanted = _parse(reference)
    with reporting(is_wanted=report):
        settings = read_settings()
        files = open_store(chosen_store(store, settings))
        version = choose_stored(files, wanted)
        with watched(is_for_terminal=progress) as watching:
            folder = fetch_bundle(files, version, models_dir or settings.models_dir, watching)
    click.echo(folder)


def _parse(reference: str) -> ModelReference:
    try:
        return parse_reference(reference)
    except ValueError as error:
        raise click.UsageError(f"{reference!r}: {error}.") from error
