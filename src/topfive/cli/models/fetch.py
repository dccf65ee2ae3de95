"""`topfive models fetch`."""

import json
import sys
from pathlib import Path

import click

from topfive.bundles.versions import ModelReference, parse_reference
from topfive.cli.models.stores import chosen_store, watched
from topfive.errors import Mistake, OperatorError
from topfive.settings import read_settings
from topfive.stores.address import StoreAddress
from topfive.stores.choice import choose_stored
from topfive.stores.download import fetch_bundle
from topfive.stores.opening import open_store


@click.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--store", help="The store's address. [default: TOPFIVE_MODEL_STORE]")
@click.option("--models-dir", type=click.Path(path_type=Path, file_okay=False),
              help="Where bundles are kept. [default: TOPFIVE_MODELS_DIR]")  # fmt: skip
@click.option("--report", is_flag=True, hidden=True, help="Tell of an error in JSON, for `serve`.")
def fetch(reference: str, store: str | None, models_dir: Path | None, report: bool) -> None:
    """Bring a bundle from a store into the models directory; without a version, the latest.

    Prints the bundle's folder. It is downloaded beside its place, every hash is checked, then it is
    renamed. What is there already is left as it is.

    \b
    Examples:
      topfive models fetch flowers --store s3://my-models/production
      topfive models fetch flowers@1.2.0
      topfive models fetch flowers@sha256:5f1c1a2b3c4d --store https://models.example.org
    """
    wanted = _parse(reference)
    try:
        settings = read_settings()
        address = chosen_store(store, settings)
        folder = _fetch(address, wanted, models_dir or settings.models_dir)
    except OperatorError as error:
        if not report:
            raise
        click.echo(json.dumps({"kind": type(error).__name__, "message": str(error)}))
        sys.exit(2 if isinstance(error, Mistake) else 1)
    click.echo(folder)


def _parse(reference: str) -> ModelReference:
    try:
        return parse_reference(reference)
    except ValueError as error:
        raise click.UsageError(f"{reference!r}: {error}.") from error


def _fetch(address: StoreAddress, wanted: ModelReference, models_dir: Path) -> Path:
    files = open_store(address)
    version = choose_stored(files, wanted)
    with watched() as progress:
        return fetch_bundle(files, version, models_dir, progress)
