"""`topfive models push`."""

from pathlib import Path

import click

from topfive.bundles.store import Bundle, list_manifests, open_bundle
from topfive.bundles.versions import KnownBundle, bundle_digest, parse_reference, pick_version
from topfive.cli.models.stores import chosen_store, watched
from topfive.errors import BundleRefused
from topfive.settings import read_settings
from topfive.stores.opening import open_writable_store
from topfive.stores.upload import push_bundle


@click.command()
@click.argument("bundle")
@click.argument("store", required=False)
@click.option("--models-dir", type=click.Path(path_type=Path, file_okay=False),
              help="Where bundles lie that are named. [default: TOPFIVE_MODELS_DIR]")  # fmt: skip
def push(bundle: str, store: str | None, models_dir: Path | None) -> None:
    """Put a bundle into a store.

    BUNDLE is a bundle's folder or NAME[@VERSION]; STORE is an address, without it
    TOPFIVE_MODEL_STORE. Every hash is checked first. Readers see the whole bundle or none of it. A
    version that is in the store is never changed: the same bundle is left as it is, another one is
    refused. A directory gets an index.json too, so that a web server can serve it as a store.

    \b
    Examples:
      topfive models push models/flowers/1.2.0 s3://my-models/production
      topfive models push flowers@1.2.0 gs://my-models
      topfive models push flowers /mnt/models
    """
    settings = read_settings()
    address = chosen_store(store, settings)
    files = open_writable_store(address)
    opened = _open(bundle, models_dir or settings.models_dir)
    with watched() as progress:
        is_new = push_bundle(files, opened, progress)
    manifest = opened.manifest
    done = "Pushed" if is_new else "It is there already:"
    click.echo(f"{done} {manifest.reference}, sha256:{bundle_digest(manifest)[:12]}",
               err=True)  # fmt: skip
    click.echo(f"{address.shown}/{manifest.name}/{manifest.version}")


def _open(bundle: str, models_dir: Path) -> Bundle:
    if "/" in bundle or Path(bundle).is_dir():
        return open_bundle(Path(bundle))
    try:
        wanted = parse_reference(bundle)
    except ValueError as error:
        raise click.UsageError(f"{bundle!r} is neither a folder nor a bundle: {error}.") from error
    known = [
        KnownBundle(folder, manifest)
        for folder, manifest in list_manifests(models_dir)
        if manifest.name == wanted.name
    ]
    found = pick_version(known, wanted.version)
    if found is None:
        raise BundleRefused(f"There is no bundle {bundle} in {models_dir}. Give its folder.")
    return open_bundle(found.folder)
