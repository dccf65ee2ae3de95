"""An OpenVINO IR, an .xml file with its .bin beside it, looked at before OpenVINO loads it."""

from pathlib import Path

from topfive.training.importing.model_file import ModelFile
from topfive.training.importing.refusals import refuse

# A graph without its weights: those of a thousand layers have two.
_MOST_BYTES = 256 * 1024**2
_HEAD_BYTES = 4096


def open_openvino(path: Path) -> ModelFile:
    """Look at an IR's two files.

    Raises WeightsRefused if the .bin is missing, or the .xml is none of OpenVINO's or too large.
    """
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise refuse(path, f"has its weights in {weights.name}, which is not beside it.")
    if path.stat().st_size > _MOST_BYTES:
        raise refuse(path, f"has over {_MOST_BYTES // 1024**2} MiB, and holds no weights.")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if b"<net" not in head:
        raise refuse(path, "is XML, but no OpenVINO IR: there is no <net> at its beginning.")
    return ModelFile(path, "openvino", (path, weights))
