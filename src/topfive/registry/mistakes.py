"""What is wrong with a model that is asked for and can be seen without loading it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from topfive.bundles.labels import read_labels
from topfive.bundles.recipe import RecipeOptions
from topfive.bundles.source import check_weights
from topfive.bundles.store import read_manifest
from topfive.engines import EngineOptions, engine_candidates
from topfive.engines.architectures import ARCHITECTURES, KNOWN_ARCHITECTURES
from topfive.errors import EngineRefused, Mistake
from topfive.registry.desired import ModelOptions, named_model, resolve
from topfive.registry.loader import locate_bundle, may_have_int8, open_located


def find_mistakes(
    options: ModelOptions,
    fallback: str,
    engine: EngineOptions,
    cpu_flags: frozenset[str],
    others: Sequence[ModelOptions] = (),
) -> list[str]:
    """List all that waiting cannot heal; it imports no inference library and fetches nothing.

    `others` are the models that are loaded beside.
    """
    found = [*_engine_problems(options, engine, cpu_flags), *_model_problems(options)]
    if fallback:
        found += _fallback_problems(fallback, options.models_dir)
    for other in others:
        problems = _problems(partial(_open, other)) or _engine_problems(other, engine, cpu_flags)
        found += [f"TOPFIVE_MODELS: {problem}" for problem in problems]
    if engine.engine == "torch":
        for one in (options, *others):
            found += _problems(partial(_require_torch_weights, one))
    return list(dict.fromkeys(found))


def find_route_mistakes(routed: Sequence[ModelOptions]) -> list[str]:
    """List what is wrong with the models that routes lead to."""
    return [
        f"TOPFIVE_ROUTES: {one}" for other in routed for one in _problems(partial(_open, other))
    ]


def _engine_problems(
    options: ModelOptions, engine: EngineOptions, cpu_flags: frozenset[str]
) -> list[str]:
    has_int8 = engine.precision != "int8" or may_have_int8(options)
    return _problems(lambda: engine_candidates(engine, cpu_flags, has_int8=has_int8))


def _model_problems(options: ModelOptions) -> Iterator[str]:
    if options.model not in ARCHITECTURES:
        for problem in _problems(lambda: _open(options)):
            yield f"TOPFIVE_MODEL={options.model}: {problem}"
        if not options.is_plain:
            yield (
                f"{_first_setting(options)} does not go with TOPFIVE_MODEL={options.model}: "
                f"weights, labels, a name and a recipe are for {KNOWN_ARCHITECTURES}."
            )
        return
    found = list(_part_problems(options)) or list(_problems(lambda: _open(options)))
    yield from found


def _part_problems(options: ModelOptions) -> Iterator[str]:
    """Look at weights, labels and recipe each by itself, so that all that is wrong is told."""
    weights, labels_file = options.weights, options.labels_file
    if weights:
        yield from _problems(lambda: check_weights(weights))
    if labels_file:
        yield from _problems(lambda: read_labels(labels_file))
    without = replace(options, weights="", labels_file=None)
    yield from _problems(lambda: resolve(replace(without, name="")))
    yield from _problems(lambda: resolve(replace(without, recipe=RecipeOptions())))


def _open(options: ModelOptions) -> None:
    folder = locate_bundle(options)
    if folder is not None:
        open_located(folder)


def _require_torch_weights(options: ModelOptions) -> None:
    """Refuse a model that torch cannot run; whether it can be found is looked at elsewhere."""
    folder = None if _problems(partial(_open, options)) else locate_bundle(options)
    if folder is not None and read_manifest(folder).imported:
        raise EngineRefused(
            f"TOPFIVE_ENGINE=torch cannot run {options.model}, which was imported as a graph and "
            "has no weights for torch. Set TOPFIVE_ENGINE=openvino, or auto."
        )


def _fallback_problems(fallback: str, models_dir: Path) -> Iterator[str]:
    options = named_model(fallback, models_dir)
    for problem in _problems(lambda: _open(options)):
        yield f"TOPFIVE_FALLBACK_MODEL={fallback}: {problem}"


def _first_setting(options: ModelOptions) -> str:
    if options.weights:
        return "TOPFIVE_WEIGHTS"
    if options.labels_file:
        return "TOPFIVE_LABELS"
    if options.name:
        return "TOPFIVE_MODEL_NAME"
    return f"TOPFIVE_INPUT_{next(iter(options.recipe.given)).upper()}"


def _problems(look: Callable[[], object]) -> list[str]:
    try:
        look()
    except Mistake as mistake:
        return [str(mistake)]
    return []
