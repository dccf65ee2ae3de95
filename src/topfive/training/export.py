"""Turns a state dict into a bundle: graph, weights, labels, golden input, hashes."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file

from topfive.bundles.labels import format_labels
from topfive.bundles.manifest import (
    GOLDEN_FILE,
    GRAPH_FILE,
    GRAPH_WEIGHTS_FILE,
    LABELS_FILE,
    LAYOUT,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    CalibrationSection,
    ComparisonSection,
    GoldenSection,
    HeatmapSection,
    Manifest,
    TrainingSection,
)
from topfive.bundles.store import hash_file, read_manifest
from topfive.engines.contract import EngineSource
from topfive.engines.pooling import find_pooled_features, give_features
from topfive.engines.quiet_openvino import openvino as ov
from topfive.engines.torchvision_models import build_module, last_linear_layer, load_weights
from topfive.errors import WeightsRefused
from topfive.input_recipe import InputRecipe
from topfive.training.checkpoints import StateDict
from topfive.training.graph_files import save_graph
from topfive.training.placement import write_beside
from topfive.training.reference import write_reference
from topfive.training.weights import convert_to_half

_FEATURES_OUTPUT = "features"


@dataclass(frozen=True, slots=True)
class BundlePlan:
    """What a bundle shall hold beside its weights; `golden` is of the size the model takes.

    `extra_files` are pictures and `documents` texts, by file name.
    """

    name: str
    version: str
    architecture: str
    input: InputRecipe
    labels: tuple[str, ...]
    source: str
    golden: Image.Image
    architecture_options: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    is_half: bool = False
    extra_files: Mapping[str, Image.Image] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    training: TrainingSection | None = None
    calibration: CalibrationSection | None = None
    comparison: ComparisonSection | None = None
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found of a bundle before it was put in its place; `documents` are texts by name."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    comparison: ComparisonSection | None = None


def write_bundle(
    plan: BundlePlan,
    state_dict: StateDict,
    root: Path,
    *,
    replaces: bool = False,
    examine: Callable[[Path], Findings] = lambda _: Findings(),
) -> Path:
    """Write a bundle beside its place and rename it there; returns its folder.

    An existing bundle of that name and version is left as it is, unless this one `replaces` it.
    `examine` is given the whole bundle before that; what it finds goes into it too, and what it
    raises leaves no bundle. Raises WeightsRefused if the weights do not fit the architecture, or
    give values that are not numbers.
    """
    target = root / plan.name / plan.version
    if target.exists() and not replaces:
        return target
    module = _load_module(plan, state_dict)
    with write_beside(target, replaces=replaces) as beside:
        _write_files(plan, module, state_dict, beside)
        _add_findings(examine(beside), beside)
    return target


def _load_module(plan: BundlePlan, state_dict: StateDict) -> torch.nn.Module:
    module = build_module(plan.architecture, plan.architecture_options, len(plan.labels))
    try:
        load_weights(module, state_dict)
    except RuntimeError as error:
        first_lines = "; ".join(line.strip()[:120] for line in str(error).splitlines()[1:2])
        raise WeightsRefused(
            f"The weights are not of {plan.architecture} with {len(plan.labels)} classes: "
            f"{first_lines}"
        ) from error
    return module.float().eval()


def _write_files(
    plan: BundlePlan, module: torch.nn.Module, state_dict: StateDict, folder: Path
) -> None:
    (folder / LABELS_FILE).write_text(format_labels(plan.labels), "utf-8")
    plan.golden.save(folder / GOLDEN_FILE)
    for name, picture in plan.extra_files.items():
        picture.save(folder / name)
    for name, text in plan.documents.items():
        (folder / name).write_text(text, "utf-8")
    stored = convert_to_half(state_dict) if plan.is_half else state_dict
    contiguous = {name: tensor.contiguous() for name, tensor in stored.items()}
    save_file(contiguous, folder / WEIGHTS_FILE)
    features_output = _write_graph(plan, module, folder)
    heatmap = _locate_class_weights(plan, module, folder) if features_output else None
    source = _engine_source(plan, folder, features_output)
    golden = write_reference(module, source, plan.labels, folder)
    _write_manifest(_manifest(plan, golden, heatmap, folder), folder)


def _add_findings(findings: Findings, folder: Path) -> None:
    if findings == Findings():
        return
    for name, text in findings.documents.items():
        (folder / name).write_text(text, "utf-8")
    manifest = read_manifest(folder)
    hashes = {name: hash_file(folder / name) for name in findings.documents}
    changes = {
        "files": dict(sorted({**manifest.files, **hashes}.items())),
        "metrics": {**manifest.metrics, **findings.metrics},
        "comparison": findings.comparison or manifest.comparison,
    }
    _write_manifest(manifest.model_copy(update=changes), folder)


def _write_manifest(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")


def _write_graph(plan: BundlePlan, module: torch.nn.Module, folder: Path) -> str:
    """Save OpenVINO IR that takes uint8 NHWC pixels and normalises them inside.

    It gives logits, and then features, where the architecture has any: NHWC, which OpenVINO need
    not bring into another order. Returns the name of that output; empty where there is none.
    """
    has_features = bool(find_pooled_features(module))
    graph = _convert(plan, give_features(module) if has_features else module)
    steps = ov.preprocess.PrePostProcessor(graph)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean(
        [255 * value for value in plan.input.mean]
    ).scale([255 * value for value in plan.input.std])
    if has_features:
        graph.output(1).set_names({_FEATURES_OUTPUT})
        steps.output(1).model().set_layout(ov.Layout("NCHW"))
        steps.output(1).tensor().set_layout(ov.Layout("NHWC"))
    save_graph(steps.build(), folder / GRAPH_FILE, is_half=plan.is_half)
    return _FEATURES_OUTPUT if has_features else ""


def _convert(plan: BundlePlan, module: torch.nn.Module) -> Any:
    side = plan.input.crop
    example = torch.zeros(1, 3, side, side)
    with torch.inference_mode():
        try:
            module(example)
        except RuntimeError as error:
            raise WeightsRefused(
                f"{plan.architecture} cannot be run on pictures of {side} x {side} pixels: "
                f"{str(error).splitlines()[0][:120]}"
            ) from error
        with warnings.catch_warnings():
            # OpenVINO traces as it always has; and whether a picture has the right size need not be
            # part of a trace.
            warnings.filterwarnings("ignore", r".*(torch\.jit|cause the trace to be incorrect)")
            return ov.convert_model(module, example_input=example, input=[1, 3, side, side])


def _locate_class_weights(
    plan: BundlePlan, module: torch.nn.Module, folder: Path
) -> HeatmapSection:
    """Find in the graph's file the weights that heatmaps are made with, by their bytes.

    Raises WeightsRefused if they are not in it as they are.
    """
    weights = last_linear_layer(module)[1].weight.detach()
    stored = (weights.half() if plan.is_half else weights).numpy()
    # Were the same bytes in it twice, either place would do.
    offset_bytes = (folder / GRAPH_WEIGHTS_FILE).read_bytes().find(stored.tobytes())
    if offset_bytes < 0:
        raise WeightsRefused(
            f"OpenVINO has changed the last layer's weights in {GRAPH_WEIGHTS_FILE}, so heatmaps "
            f"cannot be made with them. As {stored.dtype} they reach from {stored.min():.3g} to "
            f"{stored.max():.3g}: make sure that they are numbers, of a training that went well."
        )
    return HeatmapSection(
        output=_FEATURES_OUTPUT,
        offset_bytes=offset_bytes,
        dtype="f16" if plan.is_half else "f32",
        channels=stored.shape[1],
    )


def _manifest(
    plan: BundlePlan, golden: GoldenSection, heatmap: HeatmapSection | None, folder: Path
) -> Manifest:
    others = sorted(path for path in folder.iterdir() if path.is_file())
    return Manifest(
        layout=LAYOUT,
        name=plan.name,
        version=plan.version,
        architecture=plan.architecture,
        architecture_options=dict(plan.architecture_options),
        classes=len(plan.labels),
        input=plan.input,
        source=plan.source,
        created=plan.created,
        files={path.name: hash_file(path) for path in others},
        metrics=dict(plan.metrics),
        golden=golden,
        heatmap=heatmap,
        training=plan.training,
        calibration=plan.calibration,
        comparison=plan.comparison,
    )


def _engine_source(plan: BundlePlan, folder: Path, features_output: str) -> EngineSource:
    return EngineSource(
        architecture=plan.architecture,
        architecture_options=plan.architecture_options,
        classes=len(plan.labels),
        side=plan.input.crop,
        mean=plan.input.mean,
        std=plan.input.std,
        graph_file=folder / GRAPH_FILE,
        weights_file=folder / WEIGHTS_FILE,
        features_output=features_output,
    )
