"""Pages in place of JSON, where a browser asks."""

import json
import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask.testing import FlaskClient

from topfive.api import create_app
from topfive.api.readable import Fact, Section, in_words, sections
from topfive.settings import parse_settings

# What Firefox, Chrome and Safari ask for when an address is typed in.
_FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;"
    "q=0.8,application/signed-exchange;v=b3;q=0.7"
)
BROWSERS = [_FIREFOX, _CHROME, "text/html"]
# What curl, Python's requests, fetch with an own header, a probe without any header, and a picky
# client ask for.
PROGRAMS = [
    {"Accept": "*/*"},
    {"Accept": "application/json"},
    {},
    {"Accept": "application/json, text/html;q=0.9"},
    {"Accept": "application/problem+json"},
    {"Accept": "text/plain"},
]
ANSWERS = [("/health", 200), ("/info", 200), ("/nothing/here", 404), ("/predict", 405)]


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    """A client of the service with the digits."""
    app = create_app(parse_settings({"TOPFIVE_MODEL": "digits"}))
    yield app.test_client()
    app.service.close()


@pytest.fixture(scope="module")
def without_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A client of a service that has no model."""
    missing = str(tmp_path_factory.mktemp("none") / "missing")
    app = create_app(parse_settings({"TOPFIVE_MODEL": missing}))
    yield app.test_client()
    app.service.close()


@pytest.mark.parametrize(("path", "status"), ANSWERS)
@pytest.mark.parametrize("accept", BROWSERS)
def test_a_browser_gets_a_page(client: FlaskClient, path: str, status: int, accept: str) -> None:
    """It has the status that the JSON has, the strict policy, and the ways on in its foot."""
    page = client.get(path, headers={"Accept": accept})
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert "Accept" in page.headers["Vary"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    for way in ("/", "/docs", "/docs/errors", "/info", "/health"):
        assert f'href="{way}"' in page.text
    assert "<style" not in page.text
    assert " style=" not in page.text


@pytest.mark.parametrize(("path", "status"), ANSWERS)
@pytest.mark.parametrize("headers", PROGRAMS)
def test_programs_get_json(
    client: FlaskClient, path: str, status: int, headers: dict[str, str]
) -> None:
    """Whoever does not ask for HTML first gets what was always answered; caches are told."""
    answer = client.get(path, headers=headers)
    expected = "application/json" if status == 200 else "application/problem+json"
    assert (answer.status_code, answer.mimetype) == (status, expected)
    assert "Accept" in answer.headers["Vary"]
    assert isinstance(answer.json, dict)
    assert "Content-Security-Policy" not in answer.headers


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json"])
def test_what_only_programs_ask_stays_json(client: FlaskClient, path: str) -> None:
    """Probes and the API's document have no page."""
    assert client.get(path, headers={"Accept": "text/html"}).mimetype == "application/json"


def test_a_refused_upload_stays_json(client: FlaskClient) -> None:
    """A call of the API is answered as one, whatever it says that it accepts."""
    answer = client.post("/predict", data=b"x", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (415, "application/problem+json")


def test_the_page_of_a_failure_tells_what_its_json_tells(client: FlaskClient) -> None:
    """Title, detail, code and request id; the headers stay."""
    headers = {"X-Request-ID": "asked-by-me"}
    problem = client.get("/predict", headers=headers)
    page = client.get("/predict", headers=headers | {"Accept": "text/html"})
    told = _text(page.text)
    assert problem.json["title"] in told
    assert problem.json["detail"].removeprefix(problem.json["title"]).strip() in told
    assert "Code method_not_allowed, request asked-by-me" in told
    assert 'href="/docs/errors#method_not_allowed"' in page.text
    assert page.headers["Allow"] == problem.headers["Allow"]
    assert page.headers["X-Request-ID"] == "asked-by-me"


def test_what_a_caller_sends_never_becomes_markup(client: FlaskClient) -> None:
    """A hostile path and a hostile host stay text, or are not repeated at all."""
    hostile = "x\"><script>alert(1)</script><img src=y onerror='z'>"
    for path in (f"/{hostile}", "/info", "/health", "/"):
        page = client.get(path, headers={"Accept": "text/html", "Host": hostile})
        assert "<script>" not in page.text
        assert "<img src=y" not in page.text


def test_info_tells_everything_in_words(client: FlaskClient) -> None:
    """Limits with their units, sizes with commas, and the same as JSON to copy."""
    answer = client.get("/info").json
    page = client.get("/info", headers={"Accept": "text/html"}).text
    told = _text(page)
    assert "Largest upload 10 MB" in told
    assert "Largest picture 25 megapixels" in told
    assert "Time for a request 30 s" in told
    assert f"SHA-256 of the weights {answer['model']['sha256']}" in told
    raw = re.search(r'<pre id="raw"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert raw is not None
    assert json.loads(unescape(raw[1])) == answer


def test_a_new_field_is_told_without_being_known() -> None:
    """Whatever else /info tells one day is on the page too, object by object."""
    told = sections(
        {
            "uptime_seconds": 93784.2,
            "free_bytes": 5 * 1024**2,
            "is_late": True,
            "nothing": None,
            "formats": ["A", "B"],
            "engine": {"kind": "fast", "inner": {"depth": 1200}},
            "refused_engines": [{"engine": "openvino", "reason": "It disagrees."}],
        }
    )
    assert told == [
        Section("Engine", [Fact("Kind", "fast")]),
        Section("Inner", [Fact("Depth", "1,200")]),
        Section(
            "Service",
            [
                Fact("Up for", "1 d 2 h"),
                Fact("Free bytes", "5 MB"),
                Fact("Is late", "yes"),
                Fact("Nothing", "none"),
                Fact("Formats", "A, B"),
                Fact("Refused engines", "Engine: openvino; Reason: It disagrees."),
            ],
        ),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90000, "1 d 1 h")],
)
def test_durations_are_said_in_two_units(seconds: float, words: str) -> None:
    """Seconds alone say nothing after a day."""
    assert in_words("uptime_seconds", seconds) == words


def test_a_service_without_a_model_says_why(without_model: FlaskClient) -> None:
    """The status stays 503, and the page has the reason that the JSON has."""
    told = without_model.get("/health")
    page = without_model.get("/health", headers={"Accept": "text/html"})
    assert (told.status_code, page.status_code) == (503, 503)
    assert page.headers["Cache-Control"] == told.headers["Cache-Control"] == "no-store"
    assert "Unavailable" in page.text
    assert f"No picture can be classified now. {told.json['reason']}" in _text(page.text)


def _text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split()).replace(" ,", ",")
