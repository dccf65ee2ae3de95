"""What a worker keeps out of its memory."""

import json
import os
import subprocess
import sys

import pytest

from tests import pictures

WORKER = """
import io, json, sys
from topfive.api import create_app
client = create_app().test_client()
answer = client.post("/predict", data={"file": (io.BytesIO(sys.stdin.buffer.read()), "a.jpg")})
training, cloud = {"torch", "torchvision", "sklearn", "matplotlib"}, {"fsspec", "s3fs", "aiohttp"}
heavy = sorted((training | cloud) & set(sys.modules))
print(json.dumps([answer.status_code, len(answer.json["predictions"]), heavy]))
"""


@pytest.mark.parametrize("engine", ["openvino", "auto"])
def test_a_worker_with_openvino_never_imports_torch(tiny_folder, tmp_path, engine):
    """Building the app and classifying a picture needs nothing for training or a cloud's store."""
    variables = {"TOPFIVE_MODEL": str(tiny_folder), "TOPFIVE_ENGINE": engine}
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        input=pictures.jpeg(),
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, **variables},
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [200, 5, []]
