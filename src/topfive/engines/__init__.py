"""Run a model on pixels: one small contract, one module per library behind it."""

from topfive.engines.choice import engine_candidates, open_engine
from topfive.engines.contract import Engine, EngineOptions, EngineSource

__all__ = ["Engine", "EngineOptions", "EngineSource", "engine_candidates", "open_engine"]
