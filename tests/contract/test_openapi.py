"""The OpenAPI document is valid, complete, and what the running server really does."""

import os
import re
import sys
from pathlib import Path
from subprocess import run

import pytest
from openapi_spec_validator import validate

from tests.live_server import LiveServer

ROUTES = {
    "/", "/health", "/livez", "/readyz", "/info", "/metrics", "/predict", "/predict/batch",
    "/sample", "/sample/{number}", "/ping", "/invocations",
    "/v2", "/v2/health/live", "/v2/health/ready",
    "/v2/models/{model}", "/v2/models/{model}/ready", "/v2/models/{model}/infer",
    "/v2/models/{model}/versions/{version}", "/v2/models/{model}/versions/{version}/ready",
    "/v2/models/{model}/versions/{version}/infer",
    "/models", "/models/{name}", "/models/{name}/versions/{version}",
    "/models/{name}/versions/{version}/load", "/models/{name}/versions/{version}/activate",
    "/routes/{alias}",
    "/models/{name}/accuracy", "/models/{name}/drift",
    "/predictions", "/predictions/export", "/predictions/{id}", "/predictions/{id}/label",
    "/predictions/{id}/classes",
}  # fmt: skip
# What is not called as its path is.
OPERATIONS = {
    "GET /": "index",
    "GET /sample/{number}": "numbered_sample",
    "POST /predict": "predict",
    "POST /predict/batch": "predict_batch",
    "GET /models": "list_models",
    "GET /models/{name}": "list_versions",
    "GET /models/{name}/versions/{version}": "find_model",
    "DELETE /models/{name}/versions/{version}": "unload_model",
    "POST /models/{name}/versions/{version}/load": "load_model",
    "POST /models/{name}/versions/{version}/activate": "activate_model",
    "PUT /routes/{alias}": "set_route",
    "GET /predictions": "list_predictions",
    "GET /predictions/export": "export_predictions",
    "GET /models/{name}/accuracy": "model_accuracy",
    "GET /models/{name}/drift": "model_drift",
    "GET /predictions/{id}": "find_prediction",
    "GET /predictions/{id}/classes": "list_classes",
    "DELETE /predictions/{id}": "delete_prediction",
    "PUT /predictions/{id}/label": "set_label",
    "DELETE /predictions/{id}/label": "remove_label",
    "POST /invocations": "invocations",
    "GET /v2": "v2_server",
    "GET /v2/health/live": "v2_live",
    "GET /v2/health/ready": "v2_ready",
    "GET /v2/models/{model}": "v2_model",
    "GET /v2/models/{model}/ready": "v2_model_ready",
    "POST /v2/models/{model}/infer": "v2_infer",
    "GET /v2/models/{model}/versions/{version}": "v2_model_version",
    "GET /v2/models/{model}/versions/{version}/ready": "v2_model_version_ready",
    "POST /v2/models/{model}/versions/{version}/infer": "v2_infer_version",
}


def test_document_is_valid_and_has_every_route(server: LiveServer) -> None:
    """/openapi.json is OpenAPI 3.1 and lists the contract's routes."""
    document = server.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    validate(document)
    assert set(document["paths"]) == ROUTES


def test_prediction_comes_first_and_is_whole(server: LiveServer) -> None:
    """Who opens the document sees /predict, its fields, headers and what a real answer is."""
    document = server.get("/openapi.json").json
    assert next(iter(document["paths"])) == "/predict"
    assert document["tags"][0] == {"name": "predict"}
    operation = document["paths"]["/predict"]["post"]
    body = operation["requestBody"]["content"]
    assert set(body) == {"multipart/form-data", "application/octet-stream", "image/*"}
    parameters = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
    assert {one["name"] for one in operation["parameters"]} == parameters | {
        "X-Route-Key",
        "Cache-Control",
    }
    assert set(body["multipart/form-data"]["schema"]["properties"]) == parameters | {
        "file",
        "image",
    }
    answer = operation["responses"]["200"]
    assert answer["headers"].keys() >= {"X-Request-ID", "X-Topfive-Degraded", "Server-Timing"}
    zebra = answer["content"]["application/json"]["examples"]["zebra"]["value"]
    assert zebra["predictions"][0]["class_name"] == "zebra"


def test_operations_have_short_names(server: LiveServer) -> None:
    """Generated clients get methods that are called as the routes are."""
    paths = server.get("/openapi.json").json["paths"]
    named = {
        f"{method.upper()} {path}": one["operationId"]
        for path, methods in paths.items()
        for method, one in methods.items()
    }
    assert OPERATIONS.keys() <= named.keys()
    assert named == {key: OPERATIONS.get(key, key.removeprefix("GET /")) for key in named}


def test_every_answer_has_an_example(server: LiveServer) -> None:
    """No page has to make up an answer out of types: each kind of JSON is shown as it comes."""
    paths = server.get("/openapi.json").json["paths"]
    without = [
        (path, status)
        for path, methods in paths.items()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        for content_type, content in response.get("content", {}).items()
        if not content.get("examples") and not content_type.startswith("image/")
    ]
    assert without == []


def test_server_does_what_the_document_says(server: LiveServer, tmp_path: Path) -> None:
    """Schemathesis finds no answer that the document does not describe."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run",
        f"{server.url}/openapi.json", "--max-examples", "12", "--seed", "1",
        "--generation-database", "none", "--workers", "1",
        # No schema can say which bytes are a picture, so valid requests may well be refused.
        "--exclude-checks", "positive_data_acceptance",
    ]  # fmt: skip
    # Nothing of topfive runs in its process, and measuring coverage there would double its time.
    untraced = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = run(
        command,
        cwd=tmp_path,
        env=untraced,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/errors", "/"])
def test_pages_need_nothing_from_outside(server: LiveServer, path: str) -> None:
    """Every asset that a page names comes from the service itself."""
    page = server.get(path, Accept="text/html").body.decode()
    assets = re.findall(r'(?:src|href)="(/[^"#]+\.(?:js|css|svg))"', page)
    assert assets
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert [server.get(asset).status for asset in assets] == [200] * len(assets)


@pytest.mark.parametrize(
    "path",
    ["/docs/assets/redoc/../x.js", "/docs/assets/os/js/x.js", "/docs/assets/redoc/%2e%2e/x.py"],
)
def test_assets_never_leave_their_folder(server: LiveServer, path: str) -> None:
    """Asset paths are looked up below the packaged folders only."""
    assert server.get(path).status == 404
