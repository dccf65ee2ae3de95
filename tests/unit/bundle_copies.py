"""Copies of a bundle with something changed in them, their hashes right again or not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save

from topfive.bundles.manifest import GOLDEN_LOGITS_FILE, INT8_GRAPH_FILE, MANIFEST_FILE
from topfive.bundles.store import hash_file
from topfive.classify.golden import (
    BF16_MAPS_TENSOR,
    BF16_TENSOR,
    INT8_MAPS_TENSOR,
    INT8_TENSOR,
)


def copy_bundle(folder: Path, target: Path, **changes: Any) -> Path:
    """Copy a bundle's folder, with some of the manifest's top-level values changed."""
    shutil.copytree(folder, target)
    change_manifest(target, lambda manifest: manifest.update(changes))
    return target


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Read a manifest, let `change` alter it in place, and write it back."""
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Replace a bundle's file and give the manifest the new file's hash."""
    (folder / name).write_bytes(content)
    new_hash = hash_file(folder / name)
    change_manifest(folder, lambda manifest: manifest["files"].update({name: new_hash}))


def add_int8_graph(folder: Path, **measured: dict[str, float]) -> None:
    """Put the graph in f32 in a bundle's place for int8, held against its reference in bf16.

    It computes alike on every processor, and so does what is tested with it.
    """
    for name in ("model.xml", "model.bin"):
        copied = folder / f"{INT8_GRAPH_FILE.removesuffix('.xml')}{Path(name).suffix}"
        shutil.copyfile(folder / name, copied)
        replace_file(folder, copied.name, copied.read_bytes())
    tensors = load_file(folder / GOLDEN_LOGITS_FILE)
    tensors |= {INT8_TENSOR: tensors[BF16_TENSOR], INT8_MAPS_TENSOR: tensors[BF16_MAPS_TENSOR]}
    replace_file(folder, GOLDEN_LOGITS_FILE, save(tensors))
    section = {"calibration_photos": 1, "held_out_photos": 1, "measured": measured}
    change_manifest(folder, lambda manifest: manifest.update(int8=section))
