"""Run a model on pixels: one small contract, one module per library behind it."""

from topfive.engines.choice import (
    add_spare_graph,
    engine_candidates,
    native_int8,
    open_engine,
    serving_source,
)
from topfive.engines.contract import (
    SIMULATED_INT8,
    Engine,
    EngineCandidate,
    EngineOptions,
    EngineSource,
    FeaturedLogits,
    RefusedEngine,
)
from topfive.engines.featured_graph import FeaturedGraph

__all__ = [
    "SIMULATED_INT8",
    "Engine",
    "EngineCandidate",
    "EngineOptions",
    "EngineSource",
    "FeaturedGraph",
    "FeaturedLogits",
    "RefusedEngine",
    "add_spare_graph",
    "engine_candidates",
    "native_int8",
    "open_engine",
    "serving_source",
]
