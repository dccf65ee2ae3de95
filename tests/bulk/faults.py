"""Classifiers that are slow, or end their process, in every process that a run starts."""

from pathlib import Path

# Python imports a module of this name when it starts.
_MODULE = "sitecustomize.py"
KILLS = b"ends its process"
_HOOK = f"""
import os, time
from topfive.classify.classifier import Classifier

kept = Classifier.classify

def classify(self, upload, top_k):
    if upload.data.endswith({KILLS!r}):
        os.kill(os.getpid(), 9)
    time.sleep(SECONDS)
    return kept(self, upload, top_k)

Classifier.classify = classify
"""


def write_faults(folder: Path, seconds: float = 0.0) -> dict[str, str]:
    """Write the module; gives the environment variable by which processes find it."""
    (folder / _MODULE).write_text(_HOOK.replace("SECONDS", str(seconds)))
    return {"PYTHONPATH": str(folder)}
