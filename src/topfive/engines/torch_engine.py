"""PyTorch: the reference that bundles are made and checked with, and the engine for CUDA."""

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from topfive.engines.contract import EngineSource
from topfive.engines.torchvision_models import build_module
from topfive.errors import EngineRefused


class TorchEngine:
    """One module in evaluation mode, its normalisation done on the device."""

    name = "torch"
    precision = "f32"

    def __init__(self, module: torch.nn.Module, source: EngineSource, device: str) -> None:
        self.device = device
        self._module = module.eval().to(device)
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(source.mean, device=device).reshape(shape) * 255
        self._std = torch.tensor(source.std, device=device).reshape(shape) * 255

    @torch.inference_mode()
    def infer(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score uint8 RGB pixels of shape (1, side, side, 3); returns logits (classes,)."""
        batch = torch.tensor(pixels, device=self.device)
        normalised = (batch.permute(0, 3, 1, 2).float() - self._mean) / self._std
        logits: NDArray[np.float32] = self._module(normalised)[0].float().cpu().numpy()
        return logits

    def close(self) -> None:
        """Drop the module."""
        del self._module


def open_torch_engine(source: EngineSource, precision: str) -> TorchEngine:
    """Load a bundle's weights into its torchvision architecture.

    Raises EngineRefused if torch, torchvision or the weights are missing, or do not fit.
    """
    del precision  # always f32; CUDA's own TF32 choices stay at torch's defaults
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # One inference per slot runs on one core: more threads here would fight over them.
    torch.set_num_threads(1)
    module = build_module(source.architecture, source.architecture_options, source.classes)
    try:
        module.load_state_dict(load_file(source.weights_file))
    except FileNotFoundError as error:
        raise EngineRefused(
            f"torch needs {source.weights_file}, which is not there. Pull the bundle again."
        ) from error
    except (RuntimeError, SafetensorError) as error:
        raise EngineRefused(
            f"The weights {source.weights_file} do not fit {source.architecture}."
        ) from error
    return TorchEngine(module.float(), source, device)
