"""What Amazon SageMaker and Vertex AI ask of a container, with keys and a quota."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live_server import Answer, LiveServer, run_server
from tests.pictures import jpeg, png

PREDICT, HEALTH = "/v1/endpoints/7/deployedModels/8:predict", "/v1/endpoints/7/deployedModels/8"
KEYS = [f"key-{number}" for number in range(3)]
KEY, LIMITED, ADMIN = KEYS
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
B64 = base64.b64encode(jpeg()).decode()


@pytest.fixture(scope="module")
def platform(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service with addresses that Vertex AI has named, keys, and twenty pictures an hour."""
    digests = [hashlib.sha256(one.encode()).hexdigest() for one in KEYS]
    with run_server(
        tmp_path_factory.mktemp("platform"),
        model=str(tiny_folder),
        vertex_predict_route=PREDICT,
        vertex_health_route=HEALTH,
        api_keys=f"{digests[0]},{digests[1]},{digests[2]}:admin",
        rate_limit="20/hour",
    ) as running:
        yield running


def post(server: LiveServer, path: str, body: Any, key: str | None = None) -> Answer:
    """POST JSON, with a key where one is given."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
    return server.request("POST", path, data, headers)


def test_sagemaker_sees_that_the_container_is_ready(platform: LiveServer) -> None:
    """`/ping` is 200, and asks for no key."""
    assert platform.get("/ping").status == 200


def test_vertex_sees_that_the_container_is_ready(platform: LiveServer) -> None:
    """The address that Vertex AI has named is 200, and asks for no key."""
    answer = platform.get(HEALTH)
    assert (answer.status, answer.json) == (200, {"status": "ready"})


@pytest.mark.parametrize(
    "content_type", ["image/jpeg", "application/x-image", "application/octet-stream"]
)
def test_a_raw_picture_is_answered_as_by_predict(server: LiveServer, content_type: str) -> None:
    """SageMaker's callers send bytes, and get the same answer as /predict gives."""
    answer = server.request("POST", "/invocations", jpeg(), {"Content-Type": content_type})
    assert answer.status == 200
    assert answer.json.keys() == server.upload(jpeg()).json.keys()
    assert answer.json["predictions"] == server.upload(jpeg()).json["predictions"]


@pytest.mark.parametrize(
    ("attributes", "count"),
    [("top_k=2", 2), (" top_k = 3 , trace=7", 3), ("trace=7", 5), ("", 5), ("top_k", None),
     ("top_k=0", None), ("top_k=1,top_k=2", None)],
)  # fmt: skip
def test_attributes_take_the_place_of_a_query(
    server: LiveServer, attributes: str, count: int | None
) -> None:
    """InvokeEndpoint passes no query on; what else callers write there is their own."""
    headers = {"Content-Type": "image/jpeg", ATTRIBUTES: attributes}
    answer = server.request("POST", "/invocations", jpeg(), headers)
    if count is None:
        assert (answer.status, answer.code) == (400, "invalid_parameter")
    else:
        assert len(answer.json["predictions"]) == count


def test_other_types_are_told(server: LiveServer) -> None:
    """What is neither a picture nor JSON is refused in the usual way."""
    answer = server.request("POST", "/invocations", b"1,2,3", {"Content-Type": "text/csv"})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/invocations", PREDICT])
@pytest.mark.parametrize("instance", [{"b64": B64}, {"image": {"b64": B64}}])
def test_instances_are_answered_in_their_order(
    platform: LiveServer, path: str, instance: dict[str, Any]
) -> None:
    """Each prediction is what /predict answers for that picture."""
    other = {"b64": base64.b64encode(png()).decode()}
    body = {"instances": [instance, other], "parameters": {"top_k": 2, "model": "tiny"}}
    answer = post(platform, path, body, KEY)
    assert answer.status == 200
    assert list(answer.json) == ["predictions"]
    first, second = answer.json["predictions"]
    assert [first["image"]["format"], second["image"]["format"]] == ["JPEG", "PNG"]
    assert len(first["predictions"]) == len(second["predictions"]) == 2
    assert first["model"] == {"name": "tiny", "version": "1"}
    assert answer.headers["Server-Timing"].startswith("queue;dur=")


BAD = [
    ({}, "invalid_parameter", "`instances` is missing."),
    ({"instances": []}, "invalid_parameter", "`instances` has too few entries."),
    ({"instances": [{"b64": B64}] * 9}, "invalid_parameter", "`instances` has too many entries."),
    ({"instances": [B64]}, "invalid_parameter", "`instances.0` must be an object."),
    ({"instances": [{}]}, "invalid_parameter", "`instances[0]` must have either `b64` or `image`"),
    (
        {"instances": [{"b64": B64, "image": {"b64": B64}}]},
        "invalid_parameter",
        "`instances[0]` must have either `b64` or `image`",
    ),
    (
        {"instances": [{"b64": B64}, {"b64": "?"}]},
        "invalid_parameter",
        "`instances[1]` is not base64.",
    ),
    (
        {"instances": [{"b64": B64}, {"b64": "AAAA"}]},
        "unsupported_format",
        "`instances[1]`: The format of the file is not supported.",
    ),
    (
        {"instances": [{"b64": B64}], "parameters": {"top_k": 101}},
        "invalid_parameter",
        "`top_k` must be a whole number from 1 to 100, not '101'.",
    ),
    ({"instances": [{"b64": B64}], "signature": 1}, "invalid_parameter", "`signature` is not"),
    (b"{]", "malformed_request", "The body is not JSON. Look at line 1, column 2."),
]


@pytest.mark.parametrize(("body", "code", "detail"), BAD, ids=[code for _, code, _ in BAD])
def test_one_bad_instance_fails_a_call_and_is_named(
    server: LiveServer, body: Any, code: str, detail: str
) -> None:
    """The failure says which one it is; SageMaker's callers get a problem."""
    answer = post(server, "/invocations", body)
    assert (answer.status, answer.code) == (400, code)
    assert answer.json["detail"].startswith(detail)


def test_vertex_is_told_in_one_text(platform: LiveServer) -> None:
    """Vertex AI puts a container's failure into its own, so it is short."""
    answer = post(platform, PREDICT, {"instances": [{"b64": "AAAA"}]}, KEY)
    assert answer.status == 400
    assert set(answer.json) == {"error"}
    assert answer.json["error"].startswith("unsupported_format: `instances[0]`: ")


@pytest.mark.parametrize("path", ["/invocations", PREDICT, "/v2/models/tiny/infer"])
def test_keys_are_asked_for_on_every_way_in(platform: LiveServer, path: str) -> None:
    """No key is 401 and one for something else 403, before the body is looked at."""
    for key, status, code in ((None, 401, "unauthorized"), (ADMIN, 403, "forbidden")):
        answer = post(platform, path, b"{", key)
        assert answer.status == status
        assert code in answer.body.decode()
    assert post(platform, path, b"{", KEY).status == 400


def test_models_are_described_to_those_who_may_use_them(platform: LiveServer) -> None:
    """Where keys are set, what a model takes asks for one; whether it is ready does not."""
    path = "/v2/models/tiny"
    assert platform.get(path).status == 401
    assert platform.get(path, **{"X-API-Key": KEY}).status == 200
    assert platform.get(f"{path}/ready").status == 200


def test_every_picture_of_a_request_counts(platform: LiveServer) -> None:
    """The quota is one for all ways in; a request with more pictures than are left is refused."""
    eight = {"instances": [{"b64": B64}] * 8}
    assert post(platform, "/invocations", eight, LIMITED).headers["RateLimit-Remaining"] == "12"
    assert post(platform, PREDICT, eight, LIMITED).headers["RateLimit-Remaining"] == "4"
    refused = post(platform, "/invocations", eight, LIMITED)
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert refused.json["detail"].startswith("The 8 pictures of this request are more than")
    assert int(refused.headers["Retry-After"]) > 0
    assert post(platform, "/v2/models/tiny/infer", {}, LIMITED).status == 429


def test_the_addresses_are_in_the_document(platform: LiveServer) -> None:
    """OpenAPI tells of what Vertex AI has named."""
    paths = platform.get("/openapi.json").json["paths"]
    assert "security" in paths[PREDICT]["post"]
    assert "get" in paths[HEALTH]


def test_calls_are_quiet_or_logged_by_their_route(platform: LiveServer) -> None:
    """Predictions are in the log by their address; asking for health is not."""
    routes = {one["route"] for one in platform.events("request")}
    assert {"/invocations", PREDICT} <= routes
    assert not {"/ping", HEALTH} & routes
