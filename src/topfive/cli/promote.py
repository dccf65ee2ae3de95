"""`topfive promote`."""

import json
from pathlib import Path
from typing import Any

import click

from topfive.bundles.manifest import ComparisonSection
from topfive.bundles.store import Bundle, list_manifests, open_bundle
from topfive.bundles.versions import ModelReference, bundle_digest, split_reference
from topfive.cli.extras import require_packages
from topfive.cli.models.client import ServiceClient
from topfive.cli.models.options import of_service, open_client
from topfive.cli.models.orders import how_long, order, tell_settled
from topfive.cli.parameters import models_dir_option
from topfive.cli.progress import show_phases
from topfive.cli.training_command import read_all
from topfive.errors import PromotionRefused
from topfive.evaluation.photos import read_split
from topfive.registry.loader import open_named
from topfive.settings import read_settings
from topfive.training.promotion import Serving, check_promotion, describe


@click.command(short_help="Activate a version if it was found better.")
@click.argument("model", metavar="MODEL")
@click.option("--photos", multiple=True, type=click.Path(path_type=Path), metavar="PHOTOS",
              help="Compare anew on these, as far as neither version has learned from them; "
              "several times.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@models_dir_option
@how_long
@of_service
def promote(
    model: str, photos: tuple[Path, ...], *, dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Activate a version in a running service if it is better than the one that serves.

    MODEL is a bundle as NAME@VERSION or its folder; a NAME alone means its newest bundle. What
    counts is the comparison that `topfive retrain` left in it, if it is with the very version that
    serves, on photos that one was measured on. It is activated if it is better beyond chance
    (p < 0.05), and refused otherwise, with exit code 1 and nothing changed.

    \b
    Examples:
      topfive promote flowers@1.1.0
      topfive promote flowers --dry-run
      topfive promote flowers@1.1.0 --photos photos/ --photos new-photos/
    """
    models_dir = given["models_dir"] or read_settings().models_dir
    candidate = _open_candidate(model, models_dir)
    title = candidate.manifest.reference
    client = open_client(given["url"], given["key"])
    serving = _find_serving(client, candidate)
    if serving.digest == bundle_digest(candidate.manifest):
        _say(f"{title} serves already.", as_json, model=title, would_promote=False)
        return
    comparison = candidate.manifest.comparison
    if photos:
        comparison = _compare_anew(candidate, serving, photos, models_dir)
    better = check_promotion(candidate.manifest, serving, comparison)
    if not as_json:
        click.echo(describe(title, better))
    if not dry_run:
        _activate(client, candidate, given["wait_s"], as_json)
        return
    _say(
        f"Would activate {title} in place of version {serving.version}. Nothing was changed.",
        as_json, model=title, would_promote=True, comparison=better.model_dump(),
    )  # fmt: skip


def _open_candidate(reference: str, models_dir: Path) -> Bundle:
    """Open the bundle that is meant; of a name alone, the one that was made last."""
    name, version = split_reference(reference)
    made = [] if version else [
        (manifest.created, folder)
        for folder, manifest in list_manifests(models_dir)
        if manifest.name == name
    ]  # fmt: skip
    if made:
        return open_bundle(max(made)[1])
    return open_named(reference, models_dir)


def _find_serving(client: ServiceClient, candidate: Bundle) -> Serving:
    """Ask which version serves; raises PromotionRefused if none does."""
    name = candidate.manifest.name
    found = client.get("models", name, has="versions")
    active = next((one for one in found["versions"] if one["active"]), None)
    if active is None:
        raise PromotionRefused(
            f"No version of {name} serves at {client.url}, so there is nothing to be better than. "
            f"Activate one: topfive models activate {candidate.manifest.reference}."
        )
    return Serving(active["version"], active["digest"])


def _compare_anew(
    candidate: Bundle, serving: Serving, photos: tuple[Path, ...], models_dir: Path
) -> ComparisonSection:
    require_packages(("scipy",), "topfive promote --photos", "requirements-evaluate.txt")
    from topfive.training.retraining import comparing  # noqa: PLC0415 - scipy takes a second

    reference = f"{candidate.manifest.name}@sha256:{serving.digest}"
    baseline = open_named(reference, models_dir)
    with show_phases() as progress:
        dataset = read_all(photos, candidate.labels, progress, adds_classes=False)
        unseen = comparing.take_unseen(dataset.photos, read_split(candidate))
        comparable = comparing.choose_comparable(unseen, candidate.labels, baseline)
        chosen = {one.sha256 for one in comparable.photos}
        mine = [one for one in unseen if one.sha256 in chosen]
        progress.begin("Comparing", 2 * len(mine))
        answers = comparing.answer(candidate, mine, lambda _: progress.advance())
        comparison = comparing.compare_with(
            baseline, comparable, answers, lambda _: progress.advance()
        )
    return comparing.summarise(comparison, comparable, baseline)


def _activate(client: ServiceClient, candidate: Bundle, wait_s: int, as_json: bool) -> None:
    """Activate what was compared and nothing else: by its content, not by its version."""
    name, version = candidate.manifest.name, candidate.manifest.version
    content = ModelReference(name, f"sha256:{bundle_digest(candidate.manifest)}")
    answer = order(client, "POST", content, "activate", wait_s)
    tell_settled(answer, f"{name}@{version} is active in every worker.", wait_s, as_json)
    _tell_routes(client, name, version)


def _tell_routes(client: ServiceClient, name: str, version: str) -> None:
    """Say which routes name another version, which an activation does not change."""
    versions = client.get("models", name, has="versions")["versions"]
    for one in versions:
        if one["version"] != version and one["routes"]:
            click.echo(
                f"Note: the route {', '.join(one['routes'])} names {name}@{one['version']}, and "
                "goes on leading there: `topfive models route` changes it.",
                err=True,
            )


def _say(text: str, as_json: bool, **found: Any) -> None:
    click.echo(json.dumps(found, indent=2) if as_json else text)
