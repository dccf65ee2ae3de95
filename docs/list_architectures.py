"""Writes what torchvision says of its classifiers: official_weights.json and docs/architectures.md.

`python docs/list_architectures.py` writes both, in a minute: every classifier is built once.
"""

import json
from pathlib import Path
from typing import Any

from topfive.bundles.official import OFFICIAL_FILE
from topfive.engines.architectures import ARCHITECTURES
from topfive.engines.pooling import find_pooled_features
from topfive.engines.torchvision_models import build_module, import_torchvision
from topfive.training.recognition import shapes_digest

TABLE_FILE = Path(__file__).with_name("architectures.md")

_HEAD = """# Architectures

All of torchvision's classifiers, by the names that `topfive pull`, `topfive train` and
`TOPFIVE_MODEL` take. Written by `make architectures` from what torchvision says; do not edit.

Top-1 is torchvision's own figure for ImageNet's 50,000 validation pictures, with the version that
is served. Where a heatmap is `yes`, `/predict?explain=heatmap` works; the others do not end in the
mean of their features and one linear layer. More: [MODELS.md](MODELS.md#which-architectures).

| architecture | version | other versions | resize, crop | parameters | top-1 | heatmap |
|---|---|---|---|---|---|---|"""


def all_weights(architecture: str) -> list[dict[str, Any]]:
    """Tell the weights that torchvision has of an architecture, the one that is served last.

    What has no classes, such as weights of features alone, is left out.
    """
    known = import_torchvision().models.get_model_weights(architecture)
    ordered = sorted(known, key=lambda one: one is known.DEFAULT)
    return [_weights(one) for one in ordered if one.meta["categories"]]


def _weights(one: Any) -> dict[str, Any]:
    preset = one.transforms()
    recipe = {
        "resize": preset.resize_size[0],
        "crop": preset.crop_size[0],
        "interpolation": preset.interpolation.value,
        "mean": preset.mean,
        "std": preset.std,
    }
    version = one.name.lower().replace("_", "-")
    return {"version": version, "url": one.url, "input": recipe}


def weights_text(shapes: dict[str, str]) -> str:
    """Make official_weights.json, one line for each weights file."""
    blocks = []
    for name, digest in shapes.items():
        lines = ",\n".join(f"   {json.dumps(one)}" for one in all_weights(name))
        blocks.append(f' "{name}": {{"shapes": "{digest}", "weights": [\n{lines}]}}')
    return "{\n" + ",\n".join(blocks) + "}\n"


def table_text(has_heatmap: dict[str, bool]) -> str:
    """Make docs/architectures.md."""
    rows = [_row(name, has_heatmap=has_heatmap[name]) for name in has_heatmap]
    return "\n".join([_HEAD, *rows, ""])


def _row(architecture: str, *, has_heatmap: bool) -> str:
    *others, served = all_weights(architecture)
    meta = import_torchvision().models.get_model_weights(architecture).DEFAULT.meta
    recipe = served["input"]
    cells = (
        f"`{architecture}`",
        f"`{served['version']}`",
        ", ".join(f"`{one['version']}`" for one in others),
        f"{recipe['resize']}, {recipe['crop']} ({recipe['interpolation']})",
        f"{meta['num_params'] / 1e6:.1f} M",
        f"{meta['_metrics']['ImageNet-1K']['acc@1']:.1f}%",
        "yes" if has_heatmap else "",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write both files."""
    shapes, has_heatmap = {}, {}
    for name in ARCHITECTURES:
        module = build_module(name, {}, 1)
        shapes[name] = shapes_digest(module.state_dict())
        has_heatmap[name] = bool(find_pooled_features(module))
    OFFICIAL_FILE.write_text(weights_text(shapes), "utf-8")
    TABLE_FILE.write_text(table_text(has_heatmap), "utf-8")


if __name__ == "__main__":
    main()
