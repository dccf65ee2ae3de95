"""Tells settings apart by which models they mean."""

import hashlib
import json

from topfive.engines.architectures import ARCHITECTURES
from topfive.errors import Mistake
from topfive.registry.desired import resolve
from topfive.settings import Settings
from topfive.wiring.models import desired_model

_FIELDS = ("model", "models", "weights", "model_name", "labels", "fallback_model", "routes")
_DIGITS = 12


def models_fingerprint(settings: Settings) -> str:
    """Tell by 12 hex digits which models settings mean, and of which weights and labels.

    Orders that were given under other settings have no effect.
    """
    told = {name: str(getattr(settings, name)) for name in _FIELDS}
    told |= {name: str(value) for name, value in settings.recipe.given.items()}
    told |= _content(settings)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _content(settings: Settings) -> dict[str, str]:
    """Tell the digests of weights and labels of one's own, whose files may have changed."""
    options = desired_model(settings)
    if options.model not in ARCHITECTURES:
        return {}
    try:
        desired = resolve(options)
    except Mistake:
        return {}
    return {"source": desired.source, "labels_sha256": desired.labels_sha256}
