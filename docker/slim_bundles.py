"""Deletes a bundle's weights in torch's form where topfive opens the bundle without them.

Usage: slim_bundles.py MODELS_DIR. The graph holds the same numbers once more, for OpenVINO.
"""

import sys
from pathlib import Path

from topfive.bundles.manifest import MANIFEST_FILE, WEIGHTS_FILE
from topfive.bundles.store import open_bundle
from topfive.errors import BundleRefused


def main() -> None:
    """Slim every bundle in the directory."""
    for manifest in Path(sys.argv[1]).glob(f"*/*/{MANIFEST_FILE}"):
        _slim(manifest.parent)


def _slim(folder: Path) -> None:
    weights, aside = folder / WEIGHTS_FILE, folder.with_name(".aside")
    weights.rename(aside)
    try:
        open_bundle(folder)
    except BundleRefused:
        aside.rename(weights)
        print(f"{folder} keeps its {WEIGHTS_FILE}")  # noqa: T201
    else:
        aside.unlink()


main()
