"""What both OpenVINO peers do between an upload's bytes and the answer, with topfive's graph.

Written for speed, as topfive's own pipeline is: one step resizes and crops, to the same pixels. It
leaves out what topfive does beside that: limits, turning upright, shrinking while decoding, the
golden check.
"""

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from PIL import Image

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Pipeline:
    """A bundle's graph, compiled; BUNDLE, PRECISION and THREADS come from the environment."""

    def __init__(self, streams: int) -> None:
        bundle = Path(os.environ["BUNDLE"])
        recipe = json.loads((bundle / "bundle.json").read_text("utf-8"))["input"]
        self._labels = (bundle / "labels.txt").read_text("utf-8").splitlines()
        self._resize, self._crop = recipe["resize"], recipe["crop"]
        self._filter = FILTERS[recipe.get("interpolation", "bilinear")]
        self._compiled = ov.Core().compile_model(
            str(bundle / "model.xml"),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": os.environ["PRECISION"],
                "NUM_STREAMS": str(streams),
                "INFERENCE_NUM_THREADS": str(streams * int(os.environ["THREADS"])),
                # Several processes share the cores; pinned threads would sit on the same ones.
                "ENABLE_CPU_PINNING": "NO",
            },
        )

    def create_request(self) -> Any:
        """Make what one thread infers with."""
        return self._compiled.create_infer_request()

    def prepare(self, upload: bytes) -> NDArray[np.uint8]:
        """Decode, resize the shorter side and crop the centre; uint8 of (1, crop, crop, 3)."""
        image = Image.open(BytesIO(upload)).convert("RGB")
        shorter = min(image.size)
        resized = [int(self._resize * side / shorter) for side in image.size]
        left, top = (round((side - self._crop) / 2) for side in resized)
        across, down = image.width / resized[0], image.height / resized[1]
        right, bottom = (left + self._crop) * across, (top + self._crop) * down
        box = (left * across, top * down, min(right, image.width), min(bottom, image.height))
        return np.asarray(image.resize((self._crop, self._crop), self._filter, box))[np.newaxis]

    def infer(self, request: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score pixels; logits of shape (classes,)."""
        logits: NDArray[np.float32] = request.infer({0: pixels}, share_inputs=True)[0][0]
        return logits

    def name_best(self, logits: NDArray[np.float32]) -> dict[str, Any]:
        """Make the answer: five classes, best first."""
        scores = np.exp(logits - logits.max())
        scores /= scores.sum()
        best = np.argpartition(scores, -5)[-5:]
        best = best[np.argsort(-scores[best])]
        return {
            "predictions": [
                {"class_id": int(i), "class_name": self._labels[i], "confidence": float(scores[i])}
                for i in best
            ]
        }
