"""`topfive retrain`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from topfive.bundles.store import read_manifest
from topfive.cli.progress import show_phases
from topfive.cli.training_command import (
    chosen_recipe,
    how_to_train,
    read_all,
    require_libraries,
    stoppable,
)
from topfive.cli.training_results import show_result
from topfive.settings import read_settings
from topfive.training.finetuning.progress import Reporter
from topfive.training.promotion import describe

if TYPE_CHECKING:
    from topfive.training.retraining.planning import Retraining


@click.command(short_help="Train a version on with further photos.")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--from", "parent", required=True, metavar="BUNDLE",
              help="The version to train on, as NAME, NAME@VERSION or its folder.")  # fmt: skip
@click.option("--against", default="", metavar="BUNDLE",
              help="The version to compare with. [default: the latest of the name]")  # fmt: skip
@click.option("--version", default="", help="The new version. [default: the next minor one]")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@how_to_train
def retrain(photos: tuple[Path, ...], *, as_json: bool, dry_run: bool, **given: Any) -> None:
    """Train a version of a model on with further photos, and compare the two.

    PHOTOS are folders with a folder for each class, or CSV files, as `topfive train` takes them.
    Give the photos of before too: what the version was measured on stays held out, known by its
    bytes, and the new version is compared with it there. Classes that it does not have are put
    behind its own.

    flowers@1.0.0 becomes flowers@1.1.0, which has the comparison in it. It serves where it is
    named or promoted, and by its model's name alone only if it was found better beyond chance.
    It is trained by the recipe of the version before, unless another one is given.

    \b
    Examples:
      topfive retrain --from flowers@1.0.0 photos/ new-photos/
      topfive retrain --from flowers photos/ --dry-run
      topfive retrain --from flowers@1.2.0 --against flowers@1.0.0 photos.csv --epochs 5
    """
    require_libraries("topfive retrain")
    from topfive.training.retraining.planning import (  # noqa: PLC0415 - scipy takes a second
        choose_baseline,
        inherited_recipe,
        open_parent,
        plan_retraining,
    )

    models_dir = given["models_dir"] or read_settings().models_dir
    parent = open_parent(given["parent"], models_dir)
    baseline = choose_baseline(parent, models_dir, given["against"])
    recipe = chosen_recipe(given, lambda: inherited_recipe(parent))
    with stoppable(parent.manifest.name), show_phases() as progress:
        dataset = read_all(photos, parent.labels, progress, adds_classes=True)
        planned = plan_retraining(parent, baseline, dataset, recipe, models_dir, given["version"])
        tell_warnings(planned, progress)
        folder = None if dry_run else _retrain(planned, given, progress)
    if folder is None:
        _show_plan(planned, as_json=as_json)
    else:
        _show_retrained(folder, as_json=as_json)


def _retrain(planned: "Retraining", given: dict[str, Any], progress: Reporter) -> Path:
    # torch takes seconds to import: what it is not needed for is said before.
    from topfive.training.retraining.retraining import Machine  # noqa: PLC0415
    from topfive.training.retraining.retraining import retrain as train_on  # noqa: PLC0415

    machine = Machine(given["device"], given["workers"])
    return train_on(planned, machine, progress, restarts=given["restart"])


def tell_warnings(planned: "Retraining", reporter: Reporter) -> None:
    """Tell what will stand in the way of promoting the new version, before it is trained."""
    from topfive.training.retraining.planning import list_warnings  # noqa: PLC0415 - as above

    for warning in list_warnings(planned):
        reporter.tell(f"Note: {warning}")


def _show_plan(planned: "Retraining", *, as_json: bool) -> None:
    comparable = planned.comparable
    plan = {
        "name": planned.name,
        "version": planned.version,
        "parent": planned.parent.manifest.reference,
        "baseline": planned.baseline.manifest.reference,
        "photos": planned.split.counts,
        "classes": len(planned.dataset.classes),
        "new_classes": list(planned.new_classes),
        "compared_on": len(comparable.photos),
        "former_photos": comparable.former,
        "former_photos_here": comparable.former_here,
    }
    if as_json:
        click.echo(json.dumps(plan, indent=2))
        return
    counts = ", ".join(f"{count} {part}" for part, count in planned.split.counts.items())
    new = f", new: {', '.join(planned.new_classes)}" if planned.new_classes else ""
    click.echo(
        f"Would train {planned.name}@{planned.version} from {plan['parent']}.\n"
        f"Photos:     {counts}; {plan['classes']} classes{new}\n"
        f"Comparison: with {plan['baseline']} on {len(comparable.photos)} photos, "
        f"{comparable.former_here} of them among the {comparable.former} it was measured on\n"
        "Nothing was written."
    )


def _show_retrained(folder: Path, *, as_json: bool) -> None:
    show_result(folder, as_json=as_json)
    manifest = read_manifest(folder)
    if as_json or manifest.comparison is None:
        return
    title = manifest.reference
    click.echo(f"Comparison: {describe(title, manifest.comparison)}", err=True)
    if manifest.is_held_back:
        held_back = f"It is held back: {manifest.name} without a version does not mean it."
        click.echo(f"            {held_back}", err=True)
    else:
        click.echo(f"Promote:    topfive promote {title}", err=True)
