"""Tells which CUDA devices there are, and whether the installed torch can use them."""

import re
from importlib.util import find_spec
from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia/gpus")


def gpu_names(driver: Path = _DRIVER) -> list[str]:
    """List the models of NVIDIA's GPUs, from what their driver says."""
    texts = [_read(file) for file in sorted(driver.glob("*/information"))]
    return [found[1].strip() for text in texts if (found := re.search(r"Model:(.*)", text))]


def cuda_of_torch(module: str = "torch") -> str | None:
    """Tell the CUDA version that torch was built for, without importing it.

    Empty: built without CUDA. None: torch is not installed.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    text = _read(Path(spec.origin).parent / "version.py")
    found = re.search(r"^cuda\b.*=\s*'([\d.]+)'", text, re.MULTILINE)
    return found[1] if found else ""


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
