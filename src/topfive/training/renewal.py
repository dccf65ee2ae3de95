"""Makes a bundle again in the layout of now, of the weights that are in it."""

from pathlib import Path

from PIL import Image
from safetensors.torch import load_file

from topfive.bundles.manifest import (
    COMPARISON_FILE,
    EVALUATION_FILE,
    GOLDEN_FILE,
    SPLIT_FILE,
    WEIGHTS_FILE,
)
from topfive.bundles.store import Bundle, open_bundle
from topfive.training.checkpoints import StateDict
from topfive.training.export import BundlePlan, write_bundle


def has_weights(folder: Path) -> bool:
    """Tell whether a bundle can be made again of what is in it."""
    return (folder / WEIGHTS_FILE).is_file()


def renew_bundle(folder: Path) -> Path:
    """Make a bundle again of its own weights, and put it in its place; returns its folder.

    What it is made of stays the same, and so does when it was made: it is no newer version. Raises
    BundleRefused if it is damaged.
    """
    bundle = open_bundle(folder)
    state_dict = load_file(folder / WEIGHTS_FILE)
    plan = _plan(bundle, state_dict)
    return write_bundle(plan, state_dict, folder.parents[1], replaces=True)


def _plan(bundle: Bundle, state_dict: StateDict) -> BundlePlan:
    manifest = bundle.manifest
    return BundlePlan(
        name=manifest.name,
        version=manifest.version,
        architecture=manifest.architecture,
        architecture_options=manifest.architecture_options,
        input=manifest.input,
        labels=bundle.labels,
        source=manifest.source,
        golden=_open_picture(bundle.folder / GOLDEN_FILE),
        metrics=manifest.metrics,
        is_half=any(one.itemsize == 2 and one.is_floating_point() for one in state_dict.values()),
        extra_files={path.name: _open_picture(path) for path in bundle.folder.glob("sample-*.png")},
        documents=_documents(bundle),
        training=manifest.training,
        calibration=manifest.calibration,
        comparison=manifest.comparison,
        created=manifest.created,
    )


def _documents(bundle: Bundle) -> dict[str, str]:
    """Read the texts of a bundle that was trained here."""
    known = (EVALUATION_FILE, SPLIT_FILE, COMPARISON_FILE)
    names = [name for name in known if name in bundle.manifest.files]
    return {name: (bundle.folder / name).read_text("utf-8") for name in names}


def _open_picture(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture
