"""A model's file of another format: recognised, and looked at before any library loads it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from topfive.bundles.store import hash_file
from topfive.training.importing.refusals import refuse

# What people take for such a file, by its first bytes.
_OTHER_FILES = {
    b"version https://git-lfs": "is a Git LFS pointer; `git lfs pull` gets the model.",
    b"<!doctype": "is a web page; download the file itself.",
    b"<html": "is a web page; download the file itself.",
    b"pk": "is a ZIP archive, as PyTorch writes: that is for `topfive pull --weights`.",
    b"\x80": "is a pickle, which is code; export the model as ONNX.",
    b"\x89hdf": "is an HDF5 file, as Keras writes it; export the model as ONNX.",
}

Kind = Literal["onnx", "openvino"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that may be a model's: `files` are it and all that belong to it."""

    path: Path
    kind: Kind
    files: tuple[Path, ...]

    @property
    def sha256(self) -> str:
        """The sha256 over all files' hashes, in hex; of a single file, its own."""
        hashes = [hash_file(one) for one in self.files]
        return (
            hashes[0]
            if len(hashes) == 1
            else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
        )


def tell_kind(path: Path) -> Kind:
    """Tell the format of a file by its name.

    Raises WeightsRefused if it is missing, empty or of no format that is known.
    """
    if path.suffix == ".bin" and path.with_suffix(".xml").is_file():
        raise refuse(path, f"holds the numbers of {path.stem}.xml: name that file.")
    if path.suffix not in (".onnx", ".xml"):
        raise refuse(path, "does not end in .onnx or .xml (OpenVINO IR), which can be imported.")
    try:
        if not path.is_file():
            raise refuse(path, "is not there, or no file.")
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise refuse(path, f"cannot be read: {error.strerror}.") from error
    _refuse_other_files(path, head)
    return "onnx" if path.suffix == ".onnx" else "openvino"


def _refuse_other_files(path: Path, head: bytes) -> None:
    if not head:
        raise refuse(path, "is empty.")
    for magic, what in _OTHER_FILES.items():
        if head.lower().startswith(magic):
            raise refuse(path, what)
