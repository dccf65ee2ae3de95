"""Classify the labelled photos with torch and torchvision alone: what the service is held to.

python benchmarks/reference.py --weights FILE.pth --photos DIR
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from topfive.engines.torchvision_models import import_torchvision
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, LabelledPhoto, read_labels, score


def load_model(torchvision: Any, weights: Path) -> torch.nn.Module:
    """Build torchvision's MobileNetV2 and fill it with plain-data weights."""
    model: torch.nn.Module = torchvision.models.mobilenet_v2()
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model.eval()


def classify_all(
    torchvision: Any, weights: Path, photos: Sequence[LabelledPhoto]
) -> dict[str, list[int]]:
    """Take the five most likely class ids of each photo, best first."""
    model = load_model(torchvision, weights)
    transform = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V2.transforms()
    with torch.inference_mode():
        return {photo.path.name: _top_five(model, transform, photo.path) for photo in photos}


def _top_five(model: torch.nn.Module, transform: Any, photo: Path) -> list[int]:
    with Image.open(photo) as image:
        pixels = transform(image.convert("RGB"))
    scores: torch.Tensor = model(pixels.unsqueeze(0))
    return [int(class_id) for class_id in scores[0].topk(5).indices]


def main() -> None:
    """Print the reference's accuracy."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--json", action="store_true", help="with the top five ids per file")
    given = parser.parse_args()
    photos = read_labels(given.photos)
    answers = classify_all(import_torchvision(), given.weights, photos)
    top_1, top_5 = score(photos, answers)
    if given.json:
        print(json.dumps({"top_1": top_1, "top_5": top_5, "top_five_ids": answers}))
    else:
        print(f"{len(photos)} photos: top-1 {top_1:.3f}, top-5 {top_5:.3f}")


if __name__ == "__main__":
    main()
