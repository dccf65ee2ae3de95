"""The page at /, and the sample picture to try it with."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from topfive.api import create_app
from topfive.bundles.store import demo_root
from topfive.settings import parse_settings


@contextmanager
def _client(model: str) -> Iterator[FlaskClient]:
    settings = parse_settings({"TOPFIVE_MODEL": model, "TOPFIVE_RATE_LIMIT": "1/hour"})
    app = create_app(settings)
    try:
        yield app.test_client()
    finally:
        app.service.close()


@pytest.fixture(scope="module")
def digits() -> Path:
    """The folder of the embedded bundle."""
    (folder,) = (demo_root() / "digits").iterdir()
    return folder


@pytest.fixture(scope="module")
def client(digits: Path) -> Iterator[FlaskClient]:
    """A client of the service with the digits."""
    with _client("digits") as one:
        yield one


def test_a_browser_gets_the_page_and_others_get_links(client: FlaskClient) -> None:
    """The Accept header decides, and caches are told so."""
    page = client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    links = client.get("/", headers={"Accept": "*/*"})
    assert (page.mimetype, links.mimetype) == ("text/html", "application/json")
    assert links.json["name"] == "topfive"
    assert (page.headers["Vary"], links.headers["Vary"]) == ("Accept", "Accept")
    assert page.headers["Cache-Control"] == "no-cache"


def test_the_policy_allows_own_files_and_previews_only(client: FlaskClient) -> None:
    """Nothing inline, nothing from elsewhere; blob: is for the preview of the chosen picture."""
    page = client.get("/", headers={"Accept": "text/html"})
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' blob:"
    assert [one for one in ("<script>", "<style", " style=", " onclick=") if one in page.text] == []


def test_the_page_names_the_model_and_the_call(client: FlaskClient) -> None:
    """Without any script it says who answers and how to send a picture here."""
    page = client.get("/", headers={"Accept": "text/html", "Host": "pictures.example:8080"})
    assert "digits, version 1" in page.text
    assert "curl -F file=@photo.jpg http://pictures.example:8080/predict<" in page.text
    assert "up to 10 MB" in page.text


def test_a_hostile_host_header_stays_text(client: FlaskClient) -> None:
    """What the client calls the service cannot become markup."""
    page = client.get("/", headers={"Accept": "text/html", "Host": 'x"><img src=y>'})
    assert "<img src=y>" not in page.text


def test_sample_is_the_one_that_the_bundle_ships(client: FlaskClient, digits: Path) -> None:
    """Its bytes are those of the first sample in the manifest; it costs no quota."""
    for _ in range(3):
        sample = client.get("/sample")
        assert (sample.status_code, sample.mimetype) == (200, "image/png")
        assert sample.data == (digits / "sample-eight.png").read_bytes()
    assert sample.headers["Cache-Control"] == "no-cache"
    assert "RateLimit-Limit" not in sample.headers
    assert 'id="sample"' in client.get("/", headers={"Accept": "text/html"}).text


def test_only_what_the_manifest_vouches_for_is_a_sample(digits: Path, tmp_path: Path) -> None:
    """A file that was put into the folder later is never served."""
    folder = tmp_path / "bundle"
    shutil.copytree(digits, folder)
    (folder / "sample-a.png").write_bytes(b"put here later")
    with _client(str(folder)) as client:
        assert client.get("/sample").data == (digits / "sample-eight.png").read_bytes()


def test_without_a_sample_there_is_none_to_try(tiny_folder: Path) -> None:
    """A bundle without one gives 404, and the page has no button for it."""
    with _client(str(tiny_folder)) as client:
        answer = client.get("/sample")
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
        assert 'id="sample"' not in client.get("/", headers={"Accept": "text/html"}).text


def test_without_a_model_the_page_says_so(tmp_path: Path) -> None:
    """No sample, no version, and the word `unavailable`."""
    with _client(str(tmp_path / "missing")) as client:
        assert client.get("/sample").status_code == 404
        page = client.get("/", headers={"Accept": "text/html"}).text
        assert '<span id="model-status">unavailable</span>' in page
        assert ", version" not in page


def test_sample_is_in_the_api_document(client: FlaskClient) -> None:
    """OpenAPI tells of the picture and of its absence."""
    described = client.get("/openapi.json").json["paths"]["/sample"]["get"]["responses"]
    assert set(described["200"]["content"]) == {"image/png"}
    assert "not_found" in described["404"]["description"]
