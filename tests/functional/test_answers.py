"""What every route answers: exact keys, types and headers."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.functional.wire import ask, head
from tests.live_server import Answer, LiveServer, form_of
from tests.pictures import every_format, jpeg, rotated_jpeg
from topfive import __version__

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
NAME, VERSION = "tiny", "1"
LABELS = [f"class {number}" for number in range(10)]
FORMATS = [*every_format()]


def keys_and_types(value: dict[str, Any]) -> dict[str, type]:
    """Show the shape of a JSON object."""
    return {key: type(one) for key, one in value.items()}


def test_index_tells_a_program_where_to_go(server: LiveServer) -> None:
    """Anyone but a browser gets name, version and links as JSON, and the links lead somewhere."""
    answer = server.get("/", Accept="*/*")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json.keys() == {"name", "version", "links"}
    assert (answer.json["name"], answer.json["version"]) == ("topfive", __version__)
    links = answer.json["links"]
    assert links.keys() >= {"predict", "batch", "health", "info", "docs", "openapi"}
    for name, path in links.items():
        assert server.get(path).status == (405 if name in ("predict", "batch") else 200), name


def test_index_shows_a_browser_the_page(server: LiveServer) -> None:
    """A browser gets a page that takes nothing from outside, and caches keep the two apart."""
    answer = server.get("/", Accept=BROWSER)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Accept" in answer.headers["Vary"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(rb"""(src|href)=["'](https?:)?//""", answer.body)


def test_page_assets_are_served(server: LiveServer) -> None:
    """Every script, style and icon that the page names is there."""
    page = server.get("/", Accept=BROWSER).body.decode()
    assets = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert len(assets) >= 3
    for path in assets:
        assert server.get(path).status == 200, path


def test_health_is_healthy(server: LiveServer) -> None:
    """A service on its wanted model is healthy, and says so in exactly these keys."""
    answer = server.get("/health")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    health = answer.json
    assert keys_and_types(health) == {
        "status": str,
        "model_loaded": bool,
        "model": str,
        "model_version": str,
        "uptime_seconds": float,
        "timestamp": str,
    }
    assert (health["status"], health["model_loaded"]) == ("healthy", True)
    assert (health["model"], health["model_version"]) == (NAME, VERSION)
    at = datetime.fromisoformat(health["timestamp"])
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


@pytest.mark.parametrize(("path", "status"), [("/livez", "alive"), ("/readyz", "ready")])
def test_probes_answer_with_one_word(server: LiveServer, path: str, status: str) -> None:
    """Liveness and readiness are 200 with nothing but their status."""
    answer = server.get(path)
    assert (answer.status, answer.json) == (200, {"status": status})


def test_info_describes_the_service(server: LiveServer) -> None:
    """/info has the sizing and the limits, in exactly these keys."""
    info = server.get("/info").json
    assert keys_and_types(info) == {
        "name": str,
        "version": str,
        "status": str,
        "reason": type(None),
        "wanted_model": str,
        "model": dict,
        "workers": int,
        "slots": int,
        "queue": int,
        "threads": int,
        "sizing_reason": str,
        "limits": dict,
    }
    assert (info["status"], info["wanted_model"], info["workers"]) == ("healthy", NAME, 2)
    assert info["threads"] == info["slots"] * 2 + 22
    assert info["limits"] == {
        "max_upload_bytes": 10 * 1024 * 1024,
        "max_pixels": 25_000_000,
        "batch_max_pictures": 64,
        "batch_max_bytes": 256 * 1024 * 1024,
        "request_timeout_s": 30.0,
        "rate_limit": None,
        "formats": FORMATS,
    }


def test_info_describes_the_model(server: LiveServer) -> None:
    """/info has what a caller may want to know of the model, and no path of this machine."""
    answer = server.get("/info")
    model = answer.json["model"]
    assert keys_and_types(model) == {
        "name": str,
        "version": str,
        "architecture": str,
        "source": str,
        "sha256": str,
        "num_classes": int,
        "input": dict,
        "engine": str,
        "precision": str,
        "device": str,
        "heatmap": bool,
        "refused_engines": list,
        "metrics": dict,
    }
    assert (model["name"], model["version"], model["num_classes"]) == (NAME, VERSION, len(LABELS))
    assert re.fullmatch("[0-9a-f]{64}", model["sha256"])
    assert model["input"].keys() == {"resize", "crop", "interpolation", "mean", "std"}
    assert model["engine"] in ("openvino", "torch")
    assert b"/tmp" not in answer.body


def upload_in_form(server: LiveServer, data: bytes) -> Answer:
    """Send a picture as the part `file`."""
    return server.upload(data)


def upload_under_alias(server: LiveServer, data: bytes) -> Answer:
    """Send a picture as the part `image`."""
    return server.upload(data, name="image")


def upload_as_image(server: LiveServer, data: bytes) -> Answer:
    """Send a picture's bytes with an image type."""
    return server.request("POST", "/predict", data, {"Content-Type": "image/jpeg"})


def upload_as_octets(server: LiveServer, data: bytes) -> Answer:
    """Send a picture's bytes without saying which format they are."""
    return server.request("POST", "/predict", data, {"Content-Type": "application/octet-stream"})


@pytest.mark.parametrize(
    "send", [upload_in_form, upload_under_alias, upload_as_image, upload_as_octets]
)
def test_prediction_has_the_contracts_shape(server: LiveServer, send: Any) -> None:
    """However a picture is sent, the answer has the same keys and the same five classes."""
    answer = send(server, jpeg(120, 90))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    found = answer.json
    assert list(found) == ["request_id", "model", "predictions", "image", "timing_ms"]
    assert found["request_id"] == answer.headers["X-Request-ID"]
    assert found["model"] == {"name": NAME, "version": VERSION}
    assert found["image"] == {"format": "JPEG", "width": 120, "height": 90}
    assert keys_and_types(found["timing_ms"]) == dict.fromkeys(
        ("queue", "decode", "inference", "total"), float
    )
    for one in found["predictions"]:
        assert keys_and_types(one) == {"class_id": int, "class_name": str, "confidence": float}
        assert one["class_name"] == LABELS[one["class_id"]]
    assert found["predictions"] == upload_in_form(server, jpeg(120, 90)).json["predictions"]


def test_predictions_are_five_best_first(server: LiveServer) -> None:
    """Unless asked otherwise there are five different classes, the most likely one first."""
    predictions = server.upload(jpeg()).json["predictions"]
    confidences = [one["confidence"] for one in predictions]
    assert len({one["class_id"] for one in predictions}) == 5
    assert confidences == sorted(confidences, reverse=True)
    assert 0 < sum(confidences) <= 1.0001
    assert confidences[0] > confidences[-1]


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (5, 5), (10, 10), (100, 10)])
def test_top_k_chooses_how_many(server: LiveServer, top_k: int, count: int) -> None:
    """top_k from 1 to 100 gives so many classes, or all that the model has."""
    answer = server.upload(jpeg(), f"/predict?top_k={top_k}")
    assert answer.status == 200
    assert len(answer.json["predictions"]) == count
    everything = server.upload(jpeg(), "/predict?top_k=100").json["predictions"]
    assert answer.json["predictions"] == everything[:count]


@pytest.mark.parametrize(("top_k", "count"), [("1", 1), ("10", 10)])
def test_top_k_may_come_in_the_form(server: LiveServer, top_k: str, count: int) -> None:
    """Fields beside the picture are obeyed like those of the query, wherever they stand."""
    picture, field = ('name="file"; filename="a.jpg"', jpeg()), ('name="top_k"', top_k.encode())
    for parts in ((picture, field), (field, picture)):
        body, content_type = form_of(*parts)
        for path in ("/predict", f"/predict?top_k={top_k}&model={NAME}"):
            answer = server.request("POST", path, body, {"Content-Type": content_type})
            assert answer.status == 200
            assert len(answer.json["predictions"]) == count


def test_picture_without_a_file_name_is_classified(server: LiveServer) -> None:
    """Some clients send the bytes as a plain field; what they are decides."""
    body, content_type = form_of(('name="file"', jpeg()))
    answer = server.request("POST", "/predict", body, {"Content-Type": content_type})
    assert answer.status == 200


@pytest.mark.parametrize(
    "query", [f"model={NAME}", f"version={VERSION}", f"model={NAME}&version={VERSION}"]
)
def test_served_model_may_be_named(server: LiveServer, query: str) -> None:
    """Naming the served model, its version or both changes nothing."""
    assert server.upload(jpeg(), f"/predict?{query}").status == 200


@pytest.mark.parametrize(
    "query",
    ["model=resnet50", "version=99", f"model={NAME}&version=99", "model=..%2F..%2Fetc", "model="],
)
def test_unknown_model_is_not_found(server: LiveServer, query: str) -> None:
    """A model or version that is not served is 404, whatever its name looks like."""
    answer = server.upload(jpeg(), f"/predict?{query}")
    assert (answer.status, answer.code) == (404, "model_not_found")


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_format_is_read(server: LiveServer, image_format: str) -> None:
    """Every format of the contract is classified, and named as what it is."""
    answer = server.upload(every_format()[image_format])
    assert answer.status == 200
    assert answer.json["image"] == {"format": image_format, "width": 96, "height": 64}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(server: LiveServer, orientation: int) -> None:
    """A phone's picture counts as it stands upright, whichever way it was stored."""
    answer = server.upload(rotated_jpeg(orientation, 120, 90))
    assert answer.status == 200
    assert answer.json["image"] == {"format": "JPEG", "width": 120, "height": 90}


def test_server_timing_repeats_the_timings(server: LiveServer) -> None:
    """Server-Timing has the same four steps and values as the body."""
    answer = server.upload(jpeg())
    steps = dict(step.strip().split(";dur=") for step in answer.headers["Server-Timing"].split(","))
    told = {name: float(value) for name, value in steps.items()}
    assert told == pytest.approx(answer.json["timing_ms"], abs=0.011)
    assert told["total"] >= told["decode"] + told["inference"] - 0.02


@pytest.mark.parametrize("path", ["/", "/health", "/livez", "/readyz", "/info", "/openapi.json"])
def test_head_is_get_without_a_body(server: LiveServer, path: str) -> None:
    """HEAD answers like GET, with headers only."""
    answer = server.request("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Content-Type"] == server.get(path).headers["Content-Type"]


@pytest.mark.parametrize(("path", "method"), [("/predict", "POST"), ("/health", "GET")])
def test_options_names_the_methods(server: LiveServer, path: str, method: str) -> None:
    """OPTIONS answers with the methods that an address takes."""
    answer = server.request("OPTIONS", path)
    assert answer.status == 200
    assert {method, "OPTIONS"} <= set(answer.headers["Allow"].split(", "))
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing-here"),
        ("POST", "/predict/"),
        ("GET", "/static/nothing.js"),
        ("GET", "/static/../../settings.py"),
        ("GET", "/static/%2e%2e/%2e%2e/settings.py"),
        ("GET", "/docs/assets/swagger/../../../setup.py"),
        ("GET", "/docs/assets/nothing/x.js"),
        ("GET", "/%00"),
        ("GET", "//etc/passwd"),
    ],
)
def test_unknown_address_is_not_found(server: LiveServer, method: str, path: str) -> None:
    """An address where nothing is answers 404 as a problem."""
    answer = server.request(method, path)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("PUT", "/predict", "POST"),
        ("DELETE", "/predict", "POST"),
        ("POST", "/health", "GET"),
        ("POST", "/", "GET"),
        ("PATCH", "/info", "GET"),
        ("DELETE", "/openapi.json", "GET"),
        ("BREW", "/predict", "POST"),
    ],
)
def test_wrong_method_names_the_right_ones(
    server: LiveServer, method: str, path: str, allowed: str
) -> None:
    """An address asked with another method answers 405; the detail and Allow name its own."""
    answer = server.request(method, path)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.json["detail"] == f"This address takes {allowed}."
    assert allowed in answer.headers["Allow"].split(", ")
    assert method not in answer.headers["Allow"].split(", ")


def test_problem_says_what_is_wrong(server: LiveServer) -> None:
    """A problem's type leads to the documentation of its code, and its texts are sentences."""
    problem = server.get("/predict").json
    assert problem["type"] == "/docs/errors#method_not_allowed"
    assert (problem["status"], problem["code"]) == (405, "method_not_allowed")
    assert problem["title"].endswith(".")
    assert problem["detail"].endswith(".")
    assert b'id="method_not_allowed"' in server.get("/docs/errors").body


@pytest.mark.parametrize("given", ["x", "abc-123", "A.b:c_d", "0" * 128])
def test_sane_request_id_is_echoed(server: LiveServer, given: str) -> None:
    """A request id of the caller's own comes back, in header and body, in success and failure."""
    assert server.get("/health", **{"X-Request-ID": given}).headers["X-Request-ID"] == given
    assert server.get("/nothing", **{"X-Request-ID": given}).json["request_id"] == given
    answer = server.upload(jpeg(), headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == answer.json["request_id"] == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "has space",
        "0" * 129,
        "a,b",
        "a%0d%0aX-Injected: 1",
        "<script>",
        "\xe9",
        "a\tb",
        "a\\nb",
    ],
)
def test_strange_request_id_is_replaced(server: LiveServer, given: str) -> None:
    """A request id that could confuse a log or a header gives way to one made here."""
    answer = ask(server, head("GET", "/health", X_Request_ID=given, Connection="close"))
    assert answer.status == 200
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert "X-Injected" not in answer.headers


@pytest.mark.parametrize(
    "line_end", ["\r", "\n", "\r\n ", "\x00", "\u0085".encode().decode("latin-1")]
)
def test_request_id_cannot_inject_a_header(server: LiveServer, line_end: str) -> None:
    """No line end smuggled into a request id ever begins a header of the response."""
    given = f"abc{line_end}X-Injected: 1"
    answer = ask(server, head("GET", "/health", X_Request_ID=given, Connection="close"))
    assert answer.status in (200, 400)
    # A bare LF ends a header for some parsers; then the id is just the part before it.
    assert "X-Injected" not in answer.headers
    assert answer.headers.get("X-Request-ID", "") in ("", "abc") or re.fullmatch(
        "[0-9a-f]{32}", answer.headers["X-Request-ID"]
    )


def test_two_requests_have_two_ids(server: LiveServer) -> None:
    """Every request gets an id of its own."""
    assert (
        server.get("/livez").headers["X-Request-ID"] != server.get("/livez").headers["X-Request-ID"]
    )


def test_one_connection_serves_many_requests(server: LiveServer) -> None:
    """A connection stays open from picture to picture, also after a failure."""
    connection = server.connect()
    try:
        for path, status in [("/health", 200), ("/nothing", 404), ("/predict", 405)] * 3:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            assert response.status == status
            connection.request("POST", "/predict", jpeg(), {"Content-Type": "image/jpeg"})
            response = connection.getresponse()
            response.read()
            assert response.status == 200
    finally:
        connection.close()
