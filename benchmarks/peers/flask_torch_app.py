"""The peer Flask with torch: the thirty lines that everyone writes, under Gunicorn's threads."""

import os
from typing import Any

import torch
from flask import Flask, request
from PIL import Image

try:
    from torchvision import models, transforms
except RuntimeError:  # torchvision's wheel is built for CUDA and torch's is not
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import models, transforms

torch.set_num_threads(int(os.environ["THREADS"]))
app = Flask(__name__)
model = models.mobilenet_v2()
model.load_state_dict(torch.load(os.environ["WEIGHTS"], weights_only=True))
model.eval()
prepare = transforms.Compose(
    [
        transforms.Resize(232),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
class_names = models.MobileNet_V2_Weights.IMAGENET1K_V2.meta["categories"]


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "healthy"}


@app.post("/predict")
def predict() -> dict[str, Any]:
    """Classify the part `file`."""
    image = Image.open(request.files["file"].stream).convert("RGB")
    with torch.inference_mode():
        scores = model(prepare(image).unsqueeze(0))[0].softmax(0)
    best = scores.topk(5)
    return {
        "predictions": [
            {"class_id": int(i), "class_name": class_names[i], "confidence": float(score)}
            for score, i in zip(best.values, best.indices, strict=True)
        ]
    }
