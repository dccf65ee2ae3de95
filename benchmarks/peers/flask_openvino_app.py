"""The peer Flask with OpenVINO: topfive's graph in a bare app under Gunicorn's threads.

No limits, no queue, no metrics, no log: what is left when all of topfive but its pipeline goes.
"""

import os
import threading
from typing import Any

from flask import Flask, request
from pipeline import Pipeline

app = Flask(__name__)
pipeline = Pipeline(streams=int(os.environ["STREAMS"]))
of_thread = threading.local()


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "healthy"}


@app.post("/predict")
def predict() -> dict[str, Any]:
    """Classify the part `file`."""
    if not hasattr(of_thread, "request"):
        of_thread.request = pipeline.create_request()
    pixels = pipeline.prepare(request.files["file"].read())
    return pipeline.name_best(pipeline.infer(of_thread.request, pixels))
