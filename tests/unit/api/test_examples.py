"""The examples in the OpenAPI document are answers as they are given."""

from typing import Any

import pytest

from topfive.api import model_schemas, schemas
from topfive.api.batch.schemas import BatchOut
from topfive.api.examples import ANSWERS, message_examples, problem_examples
from topfive.api.history import schemas as history
from topfive.api.instances import PredictionsOut
from topfive.api.open_inference import schemas as v2
from topfive.errors import FAILURES

SHAPES = {
    "predict": schemas.PredictionOut,
    "predict_batch": BatchOut,
    "health": schemas.HealthOut,
    "livez": schemas.ProbeOut,
    "readyz": schemas.ProbeOut,
    "info": schemas.InfoOut,
    "index": schemas.IndexOut,
    "ping": schemas.ProbeOut,
    "vertex_health": schemas.ProbeOut,
    "vertex_predict": PredictionsOut,
    "v2_server": v2.ServerOut,
    "v2_live": v2.LiveOut,
    "v2_ready": v2.ServerReadyOut,
    "v2_model": v2.MetadataOut,
    "v2_model_ready": v2.ModelReadyOut,
    "v2_infer": v2.InferOut,
    "list_models": model_schemas.ModelsOut,
    "list_versions": model_schemas.VersionsOut,
    "find_model": model_schemas.ModelStateOut,
    "load_model": model_schemas.ModelOrderOut,
    "activate_model": model_schemas.ModelOrderOut,
    "unload_model": model_schemas.ModelOrderOut,
    "list_predictions": history.HistoryPageOut,
    "find_prediction": history.KeptPredictionOut,
    "set_label": history.KeptPredictionOut,
    "remove_label": history.KeptPredictionOut,
    "set_route": model_schemas.RouteOrderOut,
}
EXAMPLES = [
    (operation, name, value)
    for (operation, _), examples in ANSWERS.items()
    for name, value in examples.items()
    if operation in SHAPES
]


@pytest.mark.parametrize(("operation", "name", "value"), EXAMPLES)
def test_an_example_has_its_shape(operation: str, name: str, value: dict[str, Any]) -> None:
    """Each example has the keys and types of the answer, and none other."""
    shape = SHAPES[operation].model_validate(value)
    assert shape.model_dump(exclude_unset=True).keys() == value.keys()


def test_every_failure_has_an_example() -> None:
    """Each code is shown with a sentence of its own."""
    for code, example in problem_examples(FAILURES).items():
        problem = schemas.Problem.model_validate(example["value"])
        assert (problem.code, problem.status) == (code, FAILURES[code].status)
        assert problem.detail != problem.title, code
        told = message_examples([code])[code]["value"]
        assert told == {"error": f"{code}: {problem.detail}"}
