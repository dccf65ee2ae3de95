"""Why a model does not answer, or was not loaded, in words that may be shown to anyone.

A text of a caller's is never repeated, and every name that is shown is a bundle's.
"""

from collections.abc import Collection
from difflib import get_close_matches

from topfive.errors import (
    BundleMissing,
    BundleRefused,
    EngineRefused,
    ModelNotFound,
    ModelTooLarge,
    ModelUnavailable,
    OperatorError,
    StoreUnreachable,
)
from topfive.predictions import ModelRef

# How soon a caller may ask again while a model is still being fetched or loaded.
RETRY_AFTER_S = 10
_MOST_NAMED = 5


def unknown_model(name: str, known: Collection[str]) -> ModelNotFound:
    """Make the failure of a name that no model has; the nearest names are told."""
    return ModelNotFound(f"There is no model of that name here.{_nearest(name, known)}")


def unknown_version(name: str, version: str, known: Collection[str]) -> ModelNotFound:
    """Make the failure of a version that model `name`, which is known, does not have."""
    return ModelNotFound(
        f"There is no such version of {name} here.{_nearest(version, known)} Without a version, "
        "the active one answers."
    )


def not_loaded(ref: ModelRef) -> ModelUnavailable:
    """Make the failure of a model that is known and not loaded; it says how to load it."""
    return ModelUnavailable(
        f"{ref.name} {ref.version} is known, but not loaded. An operator loads it with `topfive "
        f"models load {ref.name}@{ref.version}`, or names it in TOPFIVE_MODELS.",
        retry_after_s=RETRY_AFTER_S,
    )


def being_loaded(ref: ModelRef) -> ModelUnavailable:
    """Make the failure of a model that will be there in a moment."""
    return ModelUnavailable(
        f"{ref.name} {ref.version} is being loaded. Try again.", retry_after_s=RETRY_AFTER_S
    )


def failed(ref: ModelRef, reason: str) -> ModelUnavailable:
    """Make the failure of a model that could not be loaded, for a public reason."""
    return ModelUnavailable(
        f"{ref.name} {ref.version} could not be loaded: {reason}", retry_after_s=RETRY_AFTER_S
    )


def not_here(name: str) -> ModelUnavailable:
    """Make the failure of a model that settings name and that is not loaded yet."""
    return ModelUnavailable(
        f"The model {name} is not loaded yet. See /health for the reason.",
        retry_after_s=RETRY_AFTER_S,
    )


def explain_refusal(error: OperatorError) -> str:
    """Say why a bundle was not loaded: memory, a hash, labels, or what its engine computes."""
    if isinstance(error, ModelTooLarge):
        return str(error)
    if isinstance(error, (BundleRefused, EngineRefused)):
        return error.public
    if isinstance(error, StoreUnreachable):
        return "the model store cannot be used; the service's log says more."
    if isinstance(error, BundleMissing):
        return "its bundle could not be brought here; the service's log says more."
    return "it cannot be loaded; the service's log says more."


def _nearest(asked: str, known: Collection[str]) -> str:
    near = get_close_matches(asked.lower()[:200], known, n=_MOST_NAMED)
    if near:
        return f" Did you mean {' or '.join(f'`{one}`' for one in near)}?"
    named = sorted(known)[:_MOST_NAMED]
    more = len(known) - len(named)
    listed = ", ".join(f"`{one}`" for one in named) + (f" and {more} more" if more else "")
    return f" Known: {listed}." if listed else ""
