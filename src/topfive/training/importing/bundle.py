"""`topfive import`: makes a bundle of a model of another format, and checks it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from topfive.bundles.disk import explain_unwritable
from topfive.bundles.labels import format_labels, hash_labels, read_labels
from topfive.bundles.manifest import (
    GOLDEN_FILE,
    GOLDEN_LOGITS_FILE,
    GRAPH_FILE,
    LABELS_FILE,
    LAYOUT,
    MANIFEST_FILE,
    ImportSection,
    Manifest,
)
from topfive.bundles.official import OFFICIAL_NAMES
from topfive.bundles.source import content_version, local_source
from topfive.bundles.store import hash_file, read_manifest
from topfive.classify.agreement import Logits, find_disagreement
from topfive.classify.golden import BF16_TENSOR, F32_TENSOR, INPUTS, Pixels, make_inputs
from topfive.engines.contract import EngineSource
from topfive.engines.openvino_engine import open_openvino_engine
from topfive.errors import BundleMissing, SettingsError
from topfive.training.golden import describe_golden, draw_golden_picture
from topfive.training.graph_files import save_graph
from topfive.training.importing.conversion import Converted, Given, convert
from topfive.training.importing.formats import open_model_file
from topfive.training.importing.graph import find_input, read_graph
from topfive.training.importing.plan import ImportPlan
from topfive.training.importing.recipe import complete_recipe
from topfive.training.importing.refusals import refuse
from topfive.training.placement import write_beside


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a bundle is made of, by which the same one is known again."""

    version: str
    source: str
    labels_sha256: str


def import_model(plan: ImportPlan) -> Path:
    """Make the bundle of a model's file, unless it is there; returns its folder.

    Raises a Mistake that names the file where it cannot be taken in, or what is said of it does not
    fit; BundleMissing if the bundle cannot be written now.
    """
    _require_own_name(plan.name)
    labels = read_labels(plan.labels_file)
    given = _open(plan)
    identity = _identify(plan, given, labels)
    target = plan.models_dir / plan.name / identity.version
    if target.exists():
        _require_same(read_manifest(target), given, identity)
        return target
    golden = draw_golden_picture(given.recipe.crop)
    inputs = make_inputs(np.asarray(golden), INPUTS)
    converted = convert(given, inputs, plan.labels_file, len(labels))
    try:
        with write_beside(target) as folder:
            (folder / LABELS_FILE).write_text(format_labels(labels), "utf-8")
            golden.save(folder / GOLDEN_FILE)
            _write_graph(converted, folder)
            _require_agreement(_engine_source(given, len(labels), folder), inputs, converted, given)
            manifest = _manifest(plan.name, identity, given, converted, labels, folder)
            (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")
    except OSError as error:
        raise explain_unwritable(plan.models_dir, error) from error
    except SafetensorError as error:
        raise BundleMissing(f"The bundle cannot be written: {error}") from error
    # Another process may have been faster, with something else.
    _require_same(read_manifest(target), given, identity)
    return target


def _require_own_name(name: str) -> None:
    if name in OFFICIAL_NAMES:
        raise SettingsError(
            f"{name} is the name of an official model. Choose another one with --name, such as "
            f"{name}-imported."
        )


def _open(plan: ImportPlan) -> Given:
    """Look at the file, have its graph read, and find out how its pictures are prepared."""
    file = open_model_file(plan.model)
    graph = read_graph(file.path)
    form = find_input(file.path, graph, plan.wants.layout)
    recipe = complete_recipe(
        file.path, plan.wants, form.side, takes_bytes=form.element_type == "u8"
    )
    return Given(file, graph, form, plan.wants, recipe)


def _identify(plan: ImportPlan, given: Given, labels: tuple[str, ...]) -> _Identity:
    sha256, labels_sha256 = given.file.sha256, hash_labels(labels)
    made_of = f"{sha256} {given.wants.channels} {given.form.layout}"
    version = plan.version or content_version(made_of, labels_sha256, given.recipe)
    return _Identity(version, local_source(sha256), labels_sha256)


def _require_same(there: Manifest, given: Given, identity: _Identity) -> None:
    """Do nothing if a bundle is made of the same; raises SettingsError if of something else."""
    channels = there.imported.channels if there.imported else ""
    layout = there.imported.layout if there.imported else ""
    has = (there.source, there.input, there.files[LABELS_FILE], channels, layout)
    wanted = (identity.source, given.recipe, identity.labels_sha256)
    if has != (*wanted, given.wants.channels, given.form.layout):
        raise SettingsError(
            f"There is a version {there.version} of {there.name} already, made of another file, "
            "labels or recipe. A version never changes: choose another one with --version."
        )


def _write_graph(converted: Converted, folder: Path) -> None:
    save_graph(converted.graph, folder / GRAPH_FILE)
    tensors = {F32_TENSOR: converted.f32, BF16_TENSOR: converted.bf16}
    save_file(tensors, folder / GOLDEN_LOGITS_FILE)


def _require_agreement(
    source: EngineSource, inputs: Pixels, converted: Converted, given: Given
) -> None:
    """Have the graph as it was written classify the golden inputs, in f32.

    Raises WeightsRefused if it says something else than the reference.
    """
    engine = open_openvino_engine(source, "f32", 1)
    answers: Logits = np.stack([engine.infer(one[np.newaxis]) for one in inputs])
    engine.close()
    problem = find_disagreement(answers, converted.f32, converted.bf16, "f32")
    if problem:
        raise refuse(
            given.file.path,
            f"is computed otherwise by OpenVINO than by {converted.reference}: {problem} It is not "
            "imported.",
        )


def _manifest(
    name: str,
    identity: _Identity,
    given: Given,
    converted: Converted,
    labels: tuple[str, ...],
    folder: Path,
) -> Manifest:
    return Manifest(
        layout=LAYOUT,
        name=name,
        version=identity.version,
        architecture=given.file.kind,
        classes=len(labels),
        input=given.recipe,
        source=identity.source,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files={path.name: hash_file(path) for path in sorted(folder.iterdir())},
        golden=describe_golden(converted.f32[0], labels),
        imported=ImportSection(
            reference=converted.reference,
            channels=given.wants.channels,
            layout=given.form.layout,
            output=converted.output,
        ),
    )


def _engine_source(given: Given, classes: int, folder: Path) -> EngineSource:
    return EngineSource(
        architecture=given.file.kind,
        architecture_options={},
        classes=classes,
        side=given.recipe.crop,
        mean=given.recipe.mean,
        std=given.recipe.std,
        graph_file=folder / GRAPH_FILE,
        weights_file=None,
    )
