"""The Open Inference Protocol, spoken with Triton's own client and by hand."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.functional.wire import ask, head
from tests.live_server import Answer, LiveServer
from tests.pictures import every_format, jpeg, png

NAME, VERSION, SIDE = "tiny", "1", 64
INFER = f"/v2/models/{NAME}/infer"
PIXELS = np.random.default_rng(7).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture
def client(server: LiveServer) -> Iterator[triton.InferenceServerClient]:
    """Triton's client of the live server."""
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as one:
        yield one


def image_input(*pictures: bytes, is_binary: bool = True) -> triton.InferInput:
    """Make an input of encoded pictures."""
    given = pictures if is_binary else tuple(base64.b64encode(one) for one in pictures)
    one = triton.InferInput("image", [len(given)], "BYTES")
    return one.set_data_from_numpy(np.array(given, dtype=np.object_), binary_data=is_binary)


def pixel_input(values: np.ndarray, is_binary: bool = True) -> triton.InferInput:
    """Make an input of pixels, in the type that they have."""
    datatype = "UINT8" if values.dtype == np.uint8 else "FP32"
    one = triton.InferInput("pixels", list(values.shape), datatype)
    return one.set_data_from_numpy(values, binary_data=is_binary)


def post(server: LiveServer, body: Any, path: str = INFER, **headers: str) -> Answer:
    """POST JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.request("POST", path, data, {"Content-Type": "application/json"} | headers)


def asking(picture: bytes, **more: Any) -> dict[str, Any]:
    """Write a request in JSON for one picture."""
    data = [base64.b64encode(picture).decode()]
    return {
        "inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": data}],
        **more,
    }


def assert_told(answer: Answer, status: int, start: str) -> None:
    """Check that a failure has the protocol's shape, and says that."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json) == {"error"}
    assert answer.json["error"].startswith(start)
    assert answer.headers["X-Request-ID"]


def test_the_client_sees_that_the_server_is_there(client: triton.InferenceServerClient) -> None:
    """Live and ready; the model and its version are ready, and no others."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, VERSION)
    assert not client.is_model_ready("other")
    assert not client.is_model_ready(NAME, "99")


def test_the_client_reads_what_the_server_and_the_model_are(
    client: triton.InferenceServerClient,
) -> None:
    """The metadata says which inputs and outputs there are, in the protocol's types."""
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    for version in ("", VERSION):
        found = client.get_model_metadata(NAME, version)
        assert (found["name"], found["versions"]) == (NAME, [VERSION])
        assert [(one["name"], one["datatype"], one["shape"]) for one in found["inputs"]] == [
            ("image", "BYTES", [-1]),
            ("pixels", "UINT8", [-1, SIDE, SIDE, 3]),
        ]
        assert [one["datatype"] for one in found["outputs"]] == ["INT64", "BYTES", "FP32"]


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("version", ["", VERSION])
def test_a_picture_is_classified_as_by_predict(
    client: triton.InferenceServerClient, server: LiveServer, is_binary: bool, version: str
) -> None:
    """The same classes and confidences in the same order, by bytes or by base64."""
    expected = server.upload(jpeg()).json["predictions"]
    found = client.infer(
        NAME, [image_input(jpeg(), is_binary=is_binary)], version, request_id="order-42"
    )
    told = found.get_response()
    assert (told["model_name"], told["model_version"], told["id"]) == (NAME, VERSION, "order-42")
    assert found.as_numpy("class_id").tolist() == [[one["class_id"] for one in expected]]
    names = [one.decode() for one in found.as_numpy("class_name")[0]]
    assert names == [one["class_name"] for one in expected]
    confidences = [one["confidence"] for one in expected]
    assert found.as_numpy("confidence")[0] == pytest.approx(confidences, abs=1e-6)


def test_outputs_are_chosen_with_their_form(client: triton.InferenceServerClient) -> None:
    """Only what is asked for comes, in JSON or as bytes, and as many classes as `top_k` says."""
    outputs = [
        triton.InferRequestedOutput("confidence", binary_data=True),
        triton.InferRequestedOutput("class_name", binary_data=False),
    ]
    found = client.infer(
        NAME, [image_input(png())], outputs=outputs, parameters={"top_k": 3}, timeout=5, priority=1
    )
    told = found.get_response()["outputs"]
    assert [one["name"] for one in told] == ["confidence", "class_name"]
    assert [one["shape"] for one in told] == [[1, 3]] * 2
    assert ["data" in one for one in told] == [False, True]
    assert found.as_numpy("class_id") is None


def test_every_format_is_read(client: triton.InferenceServerClient) -> None:
    """Whatever /predict takes is taken here; several pictures come in one request."""
    pictures = list(every_format().values())[:8]
    found = client.infer(NAME, [image_input(*pictures)])
    assert found.as_numpy("class_id").shape == (len(pictures), 5)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("is_binary", [True, False])
def test_pixels_are_classified(
    client: triton.InferenceServerClient, dtype: type, is_binary: bool
) -> None:
    """Each picture of a tensor gets what it gets alone, whichever way its numbers come."""
    together = client.infer(NAME, [pixel_input(PIXELS.astype(dtype), is_binary)])
    assert together.as_numpy("class_id").shape == (3, 5)
    for number in range(3):
        alone = client.infer(NAME, [pixel_input(PIXELS[number : number + 1])])
        for name in ("class_id", "confidence"):
            assert together.as_numpy(name)[number].tolist() == alone.as_numpy(name)[0].tolist()


def test_the_client_is_told_what_is_wrong(client: triton.InferenceServerClient) -> None:
    """Failures come as the client's own exception, with the code and what to do."""
    small = pixel_input(PIXELS[:, :32])
    for asked, told in [
        ((NAME, [small]), "invalid_parameter: The model tiny takes pictures of 64 x 64 x 3, not"),
        ((NAME, [image_input(b"text")]), "unsupported_format: `image[0]`: The format"),
        ((NAME, [image_input(jpeg(), b"")]), "empty_file: `image[1]`: The picture has zero"),
        ((NAME, [image_input(jpeg()[:300])]), "invalid_image: `image[0]`: The JPEG file"),
        (("other", [image_input(jpeg())]), "model_not_found: "),
        ((NAME, [image_input(jpeg())], "99"), "model_not_found: "),
    ]:
        with pytest.raises(InferenceServerException) as failed:
            client.infer(*asked)
        assert failed.value.message().startswith(told)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_body_is_refused(client: triton.InferenceServerClient, algorithm: str) -> None:
    """Pictures are compressed already, and what unpacks to gigabytes is not read."""
    with pytest.raises(InferenceServerException, match="without a Content-Encoding"):
        client.infer(NAME, [image_input(jpeg())], request_compression_algorithm=algorithm)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"parameters": {"top_k": 0}}, "`top_k` must be a whole number from 1 to 100, not '0'."),
        ({"parameters": {"top_k": True}}, "`top_k` must be a whole number from 1 to 100, not"),
        ({"parameters": {"top_k": [1]}}, "`top_k` must be a whole number from 1 to 100"),
        ({"parameters": {"topk": 1}}, "`topk` is not known in a request. Did you mean `top_k`?"),
        ({"outputs": [{"name": "logits"}]}, "There is no output of that name."),
        ({"inputs": []}, "`inputs` has too few entries."),
        ({"inputs": 3}, "`inputs` must be a list."),
    ],
    ids=str,
)
def test_a_wrong_request_is_told(server: LiveServer, change: dict[str, Any], detail: str) -> None:
    """The member is named, and what it must be."""
    assert_told(post(server, asking(jpeg()) | change), 400, f"invalid_parameter: {detail}")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is empty."),
        (b"{", "The body is not JSON."),
        (jpeg(), "The body is not JSON"),
        (b"[" * 5000 + b"]" * 5000, "The JSON is nested too deeply."),
        (b'{"id": "a", "id": "b"}', "`id` is in the JSON twice."),
        (b'{"inputs": [NaN]}', "The body is not JSON: there is no NaN in it"),
        (b'{"id": ' + b"9" * 100_000 + b"}", "The JSON holds a number of too many digits."),
        (b'{"inputs": [' + b"[]," * 1_000_000 + b"[]]}", "The JSON holds over 1700000 values."),
    ],
    ids=lambda one: str(one)[:20],
)
def test_hostile_json_is_refused(server: LiveServer, body: bytes, detail: str) -> None:
    """Each is told in words, and the service goes on as before."""
    assert_told(post(server, body), 400, f"malformed_request: {detail}")
    assert server.get("/v2/health/ready").json == {"ready": True}


@pytest.mark.parametrize("length", ["-1", "0", "abc", "9999999999", "7"])
def test_a_wrong_header_length_is_refused(server: LiveServer, length: str) -> None:
    """Whatever the header says of the JSON's length, it is compared with what there is."""
    answer = post(server, asking(jpeg()), **{"Inference-Header-Content-Length": length})
    assert_told(answer, 400, "malformed_request: ")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/nothing", 404, "not_found"),
        ("GET", f"/v2/models/{NAME}/stats", 404, "not_found"),
        ("GET", f"/v2/models/{NAME}/versions/99", 404, "model_not_found"),
        ("GET", "/v2/models/other", 404, "model_not_found"),
        ("GET", "/v2/models/..%2F..%2Fetc", 404, "not_found"),
        ("GET", "/v2/models/%00", 404, "model_not_found"),
        ("GET", INFER, 405, "method_not_allowed"),
        ("POST", "/v2", 405, "method_not_allowed"),
        ("POST", f"/v2/models/{'x' * 300}/infer", 400, "invalid_parameter"),
    ],
)
def test_every_failure_below_v2_has_its_shape(
    server: LiveServer, method: str, path: str, status: int, code: str
) -> None:
    """Where nothing is and where something else is taken, it is `{"error": TEXT}` too."""
    body = json.dumps(asking(jpeg())).encode() if method == "POST" else None
    assert_told(server.request(method, path, body), status, f"{code}: ")


def test_a_body_may_be_a_third_longer_than_a_picture(server: LiveServer) -> None:
    """Base64 of the largest picture is read to its end; what is longer is refused unread."""
    largest = asking(bytes(10 * 1024 * 1024))
    assert_told(post(server, largest), 400, "unsupported_format: `image[0]`: ")
    over = asking(bytes(10 * 1024 * 1024 + 1))
    assert_told(post(server, over), 413, "file_too_large: ")
    assert_told(post(server, bytes(15 * 1024 * 1024)), 413, "file_too_large: ")


def test_what_is_refused_below_the_app_has_the_shape_too(server: LiveServer) -> None:
    """A chunked body that is none breaks before the app sees it."""
    begun = head("POST", INFER, Transfer_Encoding="chunked", Content_Type="application/json")
    answer = ask(server, begun, b"no chunk\r\n\r\n")
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/json")
    assert answer.json["error"].startswith("malformed_request: ")


def test_a_request_is_logged_by_its_route(server: LiveServer) -> None:
    """The log names the route and how many pictures there were, and nothing of the request."""
    body = {
        "id": "7c1f",
        "inputs": [
            {
                "name": "image",
                "shape": [2],
                "datatype": "BYTES",
                "data": [base64.b64encode(jpeg()).decode()] * 2,
            }
        ],
    }
    answer = post(server, body)
    assert answer.headers["Server-Timing"].startswith("queue;dur=")
    request_id = answer.headers["X-Request-ID"]
    server.wait_for_line(request_id)
    found = [one for one in server.events("request") if one["request_id"] == request_id]
    assert [(one["route"], one["pictures"]) for one in found] == [("/v2/models/{model}/infer", 2)]
    assert "7c1f" not in json.dumps(found)
