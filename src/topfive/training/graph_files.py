"""Writes graphs, and says it as any file does where that fails."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from topfive.engines.quiet_openvino import openvino as ov

# What was written before it failed has taken the rest.
_NEARLY_FULL_BYTES = 1 << 20


def save_graph(graph: Any, path: Path, *, is_half: bool = False) -> None:
    """Write an OpenVINO graph, its weights in 16 bits if it `is_half`.

    Raises OSError, such as that of a full disk, where OpenVINO says no more than that a stream has
    failed.
    """
    try:
        ov.save_model(graph, path, compress_to_fp16=is_half)
    except RuntimeError as error:
        is_full = shutil.disk_usage(path.parent).free < _NEARLY_FULL_BYTES
        code = errno.ENOSPC if is_full else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error
