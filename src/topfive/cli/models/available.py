"""`topfive models available`."""

import json
from pathlib import Path

import click

from topfive.bundles.manifest import Manifest
from topfive.bundles.versions import bundle_digest
from topfive.cli.models.stores import chosen_store
from topfive.cli.reporting import reporting
from topfive.errors import BundleMissing
from topfive.settings import read_settings
from topfive.stores.list_file import StoreListFile
from topfive.stores.listing import StoreListing, list_bundles
from topfive.stores.opening import open_store
from topfive.telemetry.console import printable


@click.command()
@click.argument("store", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--keep-in", type=click.Path(path_type=Path, file_okay=False), hidden=True,
              help="Keep the list in this models directory, for `serve`.")  # fmt: skip
def available(store: str | None, *, as_json: bool, keep_in: Path | None) -> None:
    """List the bundles of STORE [default: TOPFIVE_MODEL_STORE].

    What cannot be used is told on standard error.

    \b
    Examples:
      topfive models available s3://my-models/production
      topfive models available --json https://models.example.org
    """
    with reporting(is_wanted=keep_in is not None):
        settings = read_settings()
        text = store or settings.model_store
        listing = list_bundles(open_store(chosen_store(text, settings)))
        if keep_in is not None:
            _keep(listing, keep_in, text)
            click.echo(json.dumps(_summary(listing)))
            return
    for manifest in listing.manifests:
        click.echo(_json_line(manifest) if as_json else _line(manifest))
    for reason in listing.refused:
        click.echo(f"Left out: {reason}", err=True)


def _keep(listing: StoreListing, models_dir: Path, store: str) -> None:
    try:
        StoreListFile(models_dir, store).write(listing.manifests)
    except OSError as error:
        raise BundleMissing(f"{models_dir} cannot be written to: {error.strerror}.") from error


def _summary(listing: StoreListing) -> dict[str, object]:
    return {"bundles": len(listing.manifests), "refused": listing.refused[:10]}


def _line(manifest: Manifest) -> str:
    words = (
        manifest.reference,
        f"sha256:{bundle_digest(manifest)[:12]}",
        manifest.architecture,
        f"{manifest.classes} classes",
        manifest.created,
    )
    return printable("  ".join(words))


def _json_line(manifest: Manifest) -> str:
    return json.dumps(
        {
            "name": manifest.name,
            "version": manifest.version,
            "digest": bundle_digest(manifest),
            "architecture": manifest.architecture,
            "num_classes": manifest.classes,
            "created": manifest.created,
        }
    )
