"""Run a model on pixels: one small contract, one module per library behind it."""

from topfive.engines.choice import engine_candidates, open_engine
from topfive.engines.contract import (
    Engine,
    EngineCandidate,
    EngineOptions,
    EngineSource,
    RefusedEngine,
)

__all__ = [
    "Engine",
    "EngineCandidate",
    "EngineOptions",
    "EngineSource",
    "RefusedEngine",
    "engine_candidates",
    "open_engine",
]
