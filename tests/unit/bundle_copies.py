"""Copies of a bundle with something changed in them, their hashes right again or not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from topfive.bundles.manifest import MANIFEST_FILE
from topfive.bundles.store import hash_file


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
