"""Run a model on pixels: one small contract, one module per library behind it."""

from topfive.engines.choice import engine_candidates, open_engine
from topfive.engines.contract import Engine, EngineOptions, EngineSource, RefusedEngine

__all__ = [
    "Engine",
    "EngineOptions",
    "EngineSource",
    "RefusedEngine",
    "engine_candidates",
    "open_engine",
]
