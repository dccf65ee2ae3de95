"""Weights as data, never as code: read from a file or a URL, refused if they are anything else."""

import pickle
import re
import warnings
from argparse import Namespace
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPPasswordMgrWithPriorAuth,
    build_opener,
    install_opener,
)
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from topfive.bundles.source import check_weights, shown
from topfive.errors import WeightsRefused, WeightsUnreachable
from topfive.training.checkpoints import StateDict, unwrap

# What people take for weights, by its first bytes.
_OTHER_FILES = {
    b"version https://git-lfs": "a Git LFS pointer; `git lfs pull` gets the weights",
    b"<!": "a web page; download the file itself",
    b"<html": "a web page; download the file itself",
    b"\x89HDF": "an HDF5 file, as Keras writes it; topfive reads PyTorch's",
}
_MOST_COMPRESSION = 10
# Asking again changes none of these answers.
_FINAL_STATUSES = {400, 401, 403, 404, 410}
_HOW_TO_SAVE = (
    "Save a state dict with torch.save(model.state_dict(), ...), or better as .safetensors."
)


def load_state_dict(path: Path) -> StateDict:
    """Read named tensors, on the CPU, from a `.safetensors` file or a `.pth` of plain data.

    A training checkpoint is unwrapped. Raises WeightsRefused if the file is missing, damaged or
    holds anything but plain data.
    """
    check_weights(str(path))
    _refuse_other_files(path)
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return unwrap(content, shown(path))


def fetch_weights(url: str, folder: Path, sha256_prefix: str | None = None) -> Path:
    """Download a weights file with a progress bar; a hash prefix, where given, must match.

    Raises WeightsUnreachable if it cannot be fetched now or arrives damaged; WeightsRefused if the
    address cannot be one of weights, or its server says for good that there are none.
    """
    check_weights(url)
    path = folder / f"download{Path(urlsplit(url).path).suffix}"
    try:
        torch.hub.download_url_to_file(_with_login(url), str(path), sha256_prefix, progress=True)
    except HTTPError as error:
        # A proxy may answer so for torchvision's own address, and be another tomorrow.
        is_final = error.code in _FINAL_STATUSES and sha256_prefix is None
        kind = WeightsRefused if is_final else WeightsUnreachable
        raise kind(_unreachable(url, f"the answer is {error.code} {error.reason}")) from error
    except HTTPException as error:
        # Its text may quote the address, with what is secret in it.
        raise WeightsUnreachable(_unreachable(url, type(error).__name__)) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsUnreachable(_unreachable(url, str(error)[:100])) from error
    return path


def convert_to_half(state_dict: StateDict) -> StateDict:
    """Round floating tensors to float16; counters stay as they are."""
    return {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in state_dict.items()
    }


def _with_login(url: str) -> str:
    """Take user and password out of a URL, and have this process send them to its host alone."""
    parts = urlsplit(url)
    login, has_login, host = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=host))
    if has_login:
        user, _, password = map(unquote, login.partition(":"))
        logins = HTTPPasswordMgrWithPriorAuth()
        logins.add_password(None, bare, user, password, is_authenticated=True)
        install_opener(build_opener(HTTPBasicAuthHandler(logins)))
    return bare


def _unreachable(url: str, why: str) -> str:
    return (
        f"The weights could not be downloaded from {shown(url)}: {why}. Where there is no "
        "internet access, name a local .pth or .safetensors file by TOPFIVE_WEIGHTS or --weights."
    )


def _refuse_other_files(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(32)
    for magic, what in _OTHER_FILES.items():
        if head.startswith(magic):
            raise WeightsRefused(f"{shown(path)} is not plain weights, but {what}.")


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WeightsRefused(
            f"{shown(path)} is not a safetensors file: {str(error)[:100]}"
        ) from error


def _read_pickle(path: Path) -> object:
    _refuse_bomb(path)
    try:
        # torchvision's training scripts keep their arguments, plain data too, beside the weights.
        with torch.serialization.safe_globals([Namespace]), warnings.catch_warnings():
            # torch warns of odd pickles; what is wrong with one is told by the error.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsRefused(f"{shown(path)} is not plain weights: {_cause(error)}") from error


def _refuse_bomb(path: Path) -> None:
    """Refuse a file whose tensors would take far more memory than it has bytes."""
    try:
        with ZipFile(path) as file:
            size_bytes = sum(one.file_size for one in file.infolist())
    except (BadZipFile, NotImplementedError, ValueError, OSError):
        # What is damaged, or of the form that torch wrote before, is read or refused by torch.
        return
    if size_bytes > _MOST_COMPRESSION * path.stat().st_size:
        raise WeightsRefused(
            f"{shown(path)} is compressed over {_MOST_COMPRESSION} times; torch.save writes "
            "weights as they are."
        )


def _cause(error: Exception) -> str:
    if "TorchScript" in str(error):
        return f"it is TorchScript, which is code. {_HOW_TO_SAVE}"
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    if not isinstance(error, pickle.UnpicklingError) or found is None:
        return f"it is damaged, or holds code. {_HOW_TO_SAVE}"
    if re.match(r"torch\.nn|torchvision\.|timm\.|__main__\.", found[1]):
        return f"it holds a whole model ({found[1][:60]}), which is code. {_HOW_TO_SAVE}"
    return f"it holds code ({found[1][:60]}), which is never run. {_HOW_TO_SAVE}"
