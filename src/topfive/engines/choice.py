"""Which engine and precision suit this machine, in the order worth trying."""

from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from topfive.engines.contract import Engine, EngineCandidate, EngineOptions, EngineSource
from topfive.engines.spare_graph import SpareGraph
from topfive.errors import EngineRefused

_NATIVE_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
# Without one of these, int8 is no faster, and sums of two products overflow in 16 bits.
_NATIVE_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_TORCH_PRECISIONS = ("auto", "f32", "bf16")
_CUDA_DEVICE = Path("/dev/nvidiactl")


def native_int8(cpu_flags: frozenset[str]) -> list[str]:
    """List the flags by which a CPU says that it computes in int8 by itself; empty if not."""
    return sorted(cpu_flags & _NATIVE_INT8_FLAGS)


def engine_candidates(
    options: EngineOptions, cpu_flags: frozenset[str], *, has_int8: bool = False
) -> list[EngineCandidate]:
    """List what to try, best first; the first that agrees with the reference serves.

    `has_int8` tells whether the bundle has an int8 graph. Raises EngineRefused if the options ask
    for something that cannot exist.
    """
    if options.engine == "torch":
        _require_torch()
        return [EngineCandidate("torch", _torch_precision(options), "asked for")]
    if options.engine == "auto" and options.precision in _TORCH_PRECISIONS and _may_have_cuda():
        cuda = EngineCandidate("torch", _torch_precision(options), "a CUDA device is there")
        return [cuda, *_openvino_candidates(options, cpu_flags, has_int8=has_int8)]
    return _openvino_candidates(options, cpu_flags, has_int8=has_int8)


def open_engine(source: EngineSource, candidate: EngineCandidate, slots: int) -> Engine:
    """Load a model into one engine; its library is imported only here.

    Raises EngineRefused if the library is missing or cannot load the model.
    """
    if candidate.engine == "torch":
        _require_torch()
        from topfive.engines.torch_engine import open_torch_engine  # noqa: PLC0415

        return open_torch_engine(source, candidate.precision)
    from topfive.engines.openvino_engine import open_openvino_engine  # noqa: PLC0415

    return open_openvino_engine(source, candidate.precision, slots)


def serving_source(source: EngineSource, candidate: EngineCandidate) -> EngineSource:
    """Tell with what to open the engine that serves: without features, where they cost something.

    torch computes them only where they are asked for.
    """
    return source if candidate.engine == "torch" else replace(source, features_output="")


def add_spare_graph(
    engine: Engine, source: EngineSource, candidate: EngineCandidate, options: EngineOptions
) -> Engine:
    """Let an engine run `batch_slots` inferences at once, where its slots are fewer.

    On torch as many run at once as threads ask.
    """
    further = options.batch_slots - options.slots
    if candidate.engine == "torch" or further < 1:
        return engine
    # The precision that it has: whether the graph agrees in it with the reference was found out.
    return SpareGraph(engine, options.slots, partial(open_engine, source, candidate, further))


def _openvino_candidates(
    options: EngineOptions, cpu_flags: frozenset[str], *, has_int8: bool
) -> list[EngineCandidate]:
    if options.precision == "int8" and not has_int8:
        raise EngineRefused(
            "TOPFIVE_PRECISION=int8 cannot be served: the bundle has no int8 graph. Make a version "
            "that has one with `topfive quantize`, or set it to one of: auto, f32, bf16.",
            public="its bundle has no int8 graph, and TOPFIVE_PRECISION asks for one.",
        )
    if options.precision != "auto":
        return [EngineCandidate("openvino", options.precision, "asked for")]
    int8_flags = native_int8(cpu_flags) if has_int8 else []
    floats = _float_candidates(cpu_flags)
    if not int8_flags:
        return floats
    reason = f"the bundle has an int8 graph, and the CPU {', '.join(int8_flags)}"
    return [EngineCandidate("openvino", "int8", reason, must_be_faster=True), *floats]


def _float_candidates(cpu_flags: frozenset[str]) -> list[EngineCandidate]:
    native_bf16 = sorted(cpu_flags & _NATIVE_BF16_FLAGS)
    plain = EngineCandidate("openvino", "f32", "the CPU has no native bf16")
    if not native_bf16:
        return [plain]
    fast = EngineCandidate("openvino", "bf16", f"the CPU has {', '.join(native_bf16)}")
    return [fast, EngineCandidate("openvino", "f32", "bf16 did not agree with the reference")]


def _torch_precision(options: EngineOptions) -> str:
    if options.precision not in _TORCH_PRECISIONS:
        raise EngineRefused(
            f"The torch engine computes in f32 or bf16, not {options.precision}. "
            "Set TOPFIVE_PRECISION=f32, or TOPFIVE_ENGINE=openvino."
        )
    return "f32" if options.precision == "auto" else options.precision


def _require_torch() -> None:
    missing = [name for name in ("torch", "torchvision") if find_spec(name) is None]
    if missing:
        raise EngineRefused(
            f"The torch engine needs {' and '.join(missing)}, which is not installed. Install "
            "requirements-torch.txt, or set TOPFIVE_ENGINE=openvino."
        )


def _may_have_cuda() -> bool:
    return _CUDA_DEVICE.exists() and find_spec("torch") is not None
