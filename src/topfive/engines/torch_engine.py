"""PyTorch: the reference that bundles are made and checked with, and the engine for CUDA."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from topfive.engines.contract import EngineSource, FeaturedLogits
from topfive.engines.pooling import give_features
from topfive.engines.torchvision_models import build_module, load_weights
from topfive.errors import EngineRefused


class TorchEngine:
    """One module in evaluation mode, its normalisation done on the device.

    In bf16 torch's autocast chooses which layers are computed so; the weights stay in f32.
    """

    name = "torch"

    def __init__(
        self, module: torch.nn.Module, source: EngineSource, device: str, precision: str
    ) -> None:
        self.device = device
        self.precision = precision
        self._module = module.eval().to(device)
        # Of the same weights, and run only where features are asked for.
        self._featured = give_features(self._module) if source.features_output else None
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(source.mean, device=device).reshape(shape) * 255
        self._std = torch.tensor(source.std, device=device).reshape(shape) * 255

    @torch.inference_mode()
    def infer(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score uint8 RGB pixels of shape (1, side, side, 3); returns logits (classes,)."""
        return _array(self._run(self._module, pixels))

    @torch.inference_mode()
    def infer_with_features(self, pixels: NDArray[np.uint8]) -> FeaturedLogits:
        """Score the same pixels, and give the features too."""
        logits, features = self._run(self._featured, pixels)
        return FeaturedLogits(_array(logits), _array(features.permute(0, 2, 3, 1)))

    def close(self) -> None:
        """Drop the module."""
        del self._module, self._featured

    def _run(self, module: Any, pixels: NDArray[np.uint8]) -> Any:
        batch = torch.tensor(pixels, device=self.device)
        normalised = (batch.permute(0, 3, 1, 2).float() - self._mean) / self._std
        with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
            return module(normalised)


def _array(outputs: torch.Tensor) -> NDArray[np.float32]:
    """Give the first of a batch of outputs as an array."""
    array: NDArray[np.float32] = outputs[0].float().cpu().numpy()
    return array


def open_torch_engine(source: EngineSource, precision: str) -> TorchEngine:
    """Load a bundle's weights into its torchvision architecture; `precision` is f32 or bf16.

    Raises EngineRefused if torch, torchvision or the weights are missing, or do not fit; an
    imported model has none.
    """
    if source.weights_file is None:
        raise EngineRefused(
            "torch cannot run this model, which was imported as a graph and has no weights for "
            "torch. Set TOPFIVE_ENGINE=openvino, or auto.",
            public="the model was imported as a graph, which torch cannot run.",
        )
    # Otherwise CUDA computes convolutions in TF32, with 10 binary digits, and it is called f32.
    torch.backends.cudnn.allow_tf32 = False
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # One inference per slot runs on one core: more threads here would fight over them.
    torch.set_num_threads(1)
    module = build_module(source.architecture, source.architecture_options, source.classes)
    try:
        load_weights(module, load_file(source.weights_file))
    except FileNotFoundError as error:
        raise EngineRefused(
            f"torch needs {source.weights_file}, which is not there. Pull the bundle again."
        ) from error
    except (RuntimeError, SafetensorError) as error:
        raise EngineRefused(
            f"The weights {source.weights_file} do not fit {source.architecture}."
        ) from error
    try:
        return TorchEngine(module.float(), source, device, precision)
    except RuntimeError as error:
        raise EngineRefused(f"torch cannot use the device {device}: {error}") from error
