"""What came of a training, for people and as JSON."""

import json
from pathlib import Path
from typing import Any

import click

from topfive.bundles.manifest import Manifest
from topfive.bundles.store import read_manifest


def show_result(folder: Path, *, as_json: bool) -> None:
    """Print the folder or, as JSON, all that the manifest says of the training."""
    manifest = read_manifest(folder)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **_describe(manifest)}, indent=2))
        return
    _show(manifest)
    click.echo(folder)


def _describe(manifest: Manifest) -> dict[str, Any]:
    """Give all that a manifest says of its training, as JSON has it."""
    training, calibration = manifest.training, manifest.calibration
    comparison = manifest.comparison
    return {
        "name": manifest.name,
        "version": manifest.version,
        "architecture": manifest.architecture,
        "classes": manifest.classes,
        "metrics": manifest.metrics,
        "calibration": calibration.model_dump() if calibration else None,
        "comparison": comparison.model_dump() if comparison else None,
        "training": training.model_dump(mode="json") if training else None,
    }


def _show(manifest: Manifest) -> None:
    """Show on standard error what was made, and how well it does."""
    lines = [f"Model:      {manifest.name}, version {manifest.version} ({manifest.architecture})"]
    if manifest.training:
        counts = manifest.training.photos
        photos = ", ".join(f"{count} {part}" for part, count in counts.items())
        lines.append(f"Photos:     {photos}; {manifest.classes} classes")
    lines += [_accuracy(manifest.metrics), *_calibration(manifest)]
    # What is held back is not meant by its name alone.
    version = f"@{manifest.version}" if manifest.is_held_back else ""
    lines.append(f"Serve:      TOPFIVE_MODEL={manifest.name}{version} topfive serve")
    click.echo("\n".join(lines), err=True)


def _accuracy(metrics: dict[str, float]) -> str:
    top1, top5 = (metrics.get(f"held_out_{name}", 0) for name in ("top1", "top5"))
    return (
        f"Accuracy:   top-1 {top1:.3f}, top-5 {top5:.3f} "
        f"on {metrics.get('held_out_count', 0):.0f} held-out photos"
    )


def _calibration(manifest: Manifest) -> list[str]:
    made = manifest.calibration
    if made is None:
        return []
    line = (
        f"Confidence: calibration error {made.error_before:.3f} before calibration, "
        f"{made.error_after:.3f} after it (temperature {made.temperature:.2f})"
    )
    return [line]
