"""Weights as data, never as code: state dicts from a file, refused if they are anything else."""

from pathlib import Path
from typing import TypeGuard
from urllib.parse import urlsplit

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from topfive.errors import WeightsRefused

StateDict = dict[str, torch.Tensor]

_SUFFIXES = (".pth", ".pt", ".safetensors")


def load_state_dict(path: Path) -> StateDict:
    """Read a `.pth` (tensors only) or `.safetensors` file into a state dict on the CPU.

    Raises WeightsRefused if the file is missing, damaged, or holds anything but named tensors.
    """
    if not path.is_file():
        raise WeightsRefused(f"There is no weights file {path}. Check TOPFIVE_WEIGHTS.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not _is_state_dict(content):
        raise WeightsRefused(f"{path} does not hold a state dict (named tensors and no more).")
    return content


def fetch_weights(url: str, folder: Path, sha256_prefix: str | None = None) -> Path:
    """Download a weights file with a progress bar; a hash prefix, where given, must match.

    Raises WeightsRefused if it cannot be fetched or differs.
    """
    suffix = Path(urlsplit(url).path).suffix
    if suffix not in _SUFFIXES:
        raise WeightsRefused(f"{url} does not end in one of {', '.join(_SUFFIXES)}.")
    path = folder / f"download{suffix}"
    try:
        torch.hub.download_url_to_file(url, str(path), sha256_prefix, progress=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsRefused(
            f"The weights could not be downloaded from {url}: {error}. Where there is no "
            "internet access, set TOPFIVE_WEIGHTS to a local .pth or .safetensors file."
        ) from error
    return path


def convert_to_half(state_dict: StateDict) -> StateDict:
    """Round floating tensors to float16; counters stay as they are."""
    return {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in state_dict.items()
    }


def _read_safetensors(path: Path) -> object:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WeightsRefused(f"{path} is not a safetensors file: {error}") from error


def _read_pickle(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsRefused(
            f"{path} is not plain weights: it is damaged, or holds code. Save a state dict with "
            "torch.save(model.state_dict(), ...), or better as .safetensors."
        ) from error


def _is_state_dict(content: object) -> TypeGuard[StateDict]:
    return (
        isinstance(content, dict)
        and bool(content)
        and all(isinstance(name, str) for name in content)
        and all(isinstance(tensor, torch.Tensor) for tensor in content.values())
    )
