"""The bundle that a command's argument names: NAME, NAME@VERSION or its folder."""

from pathlib import Path

from topfive.errors import BundleMissing
from topfive.registry.desired import named_model
from topfive.registry.loader import require_located


def find_named_bundle(reference: str, models_dir: Path) -> Path:
    """Find the folder of a bundle that must be there.

    Raises BundleMissing with how to make it, or SettingsError or BundleRefused.
    """
    try:
        return require_located(named_model(reference, models_dir))
    except BundleMissing as error:
        raise BundleMissing(
            f"{error} Make it with `topfive pull {reference}`, or name another with --models-dir."
        ) from error
