"""The page at /, and the sample pictures to try it with."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from topfive.api import create_app
from topfive.bundles.store import demo_root
from topfive.images.sniff import FORMATS
from topfive.settings import parse_settings


@contextmanager
def _client(model: str, **variables: str) -> Iterator[FlaskClient]:
    given = {"TOPFIVE_MODEL": model, "TOPFIVE_RATE_LIMIT": "1/hour"}
    settings = parse_settings(given | variables)
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
    assert '>digits</a><span class="unseen">, version 1,</span>' in page.text
    assert 'title="digits, version 1, weights ' in page.text
    assert "curl -F file=@photo.jpg http://pictures.example:8080/predict<" in page.text
    assert "up to 10&nbsp;MB" in page.text
    assert page.text.count("http://pictures.example:8080/predict<") == 1
    assert 'Request("http://pictures.example:8080/predict"' in page.text.replace("&#34;", '"')
    assert "fetch('http://pictures.example:8080/predict'" in page.text.replace("&#39;", "'")


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


def test_each_sample_has_a_number_and_is_offered(client: FlaskClient, digits: Path) -> None:
    """The page shows all that the bundle ships; other numbers are 404."""
    page = client.get("/", headers={"Accept": "text/html"}).text
    for number, name in enumerate(("eight", "five", "three", "zero"), 1):
        sample = client.get(f"/sample/{number}")
        assert sample.data == (digits / f"sample-{name}.png").read_bytes()
        assert f'data-source="/sample/{number}"' in page
        assert f'alt="Try the sample: {name}"' in page
    for number in ("0", "5", "999999999999999999999999", "-1", "one"):
        answer = client.get(f"/sample/{number}")
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert "/sample/1 to /sample/4" in client.get("/sample/5").json["detail"]


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
        page = client.get("/", headers={"Accept": "text/html"}).text
        assert 'class="sample"' not in page
        assert re.search(r'id="samples" [^>]* hidden>', page)


def test_without_a_model_the_page_says_so(tmp_path: Path) -> None:
    """No sample, no version, and the word `unavailable`."""
    with _client(str(tmp_path / "missing")) as client:
        assert client.get("/sample").status_code == 404
        page = client.get("/", headers={"Accept": "text/html"}).text
        assert '<span id="model-status">unavailable</span>' in page
        assert ", version" not in page
        assert "No picture can be classified now." in page


def test_the_key_is_asked_for_where_one_is_needed(client: FlaskClient) -> None:
    """With keys set, the page has a field for one and the snippets send one; else neither."""
    with _client("digits", TOPFIVE_API_KEYS="0" * 64) as guarded:
        asking = guarded.get("/", headers={"Accept": "text/html"}).text
    open_to_all = client.get("/", headers={"Accept": "text/html"}).text
    assert " data-asks-key>" in asking
    assert 'id="key-form" class="key card">' in asking
    assert asking.count("Bearer") == 3
    assert " data-asks-key>" not in open_to_all
    assert 'id="key-form" class="key card" hidden>' in open_to_all
    assert "Bearer" not in open_to_all


def test_the_page_says_what_the_log_notes(client: FlaskClient) -> None:
    """That the best class is logged is told where it is, and only there."""
    words = "The log notes the best class and its confidence."
    with _client("digits", TOPFIVE_LOG_CLASSES="false") as silent:
        assert words not in silent.get("/", headers={"Accept": "text/html"}).text
    page = client.get("/", headers={"Accept": "text/html"}).text
    assert words in page
    assert "neither a picture nor its file name is kept" in page


def test_the_file_dialog_asks_for_what_is_read(client: FlaskClient) -> None:
    """The input takes the formats that the service takes; the camera any picture."""
    page = client.get("/", headers={"Accept": "text/html"}).text
    accepted = ",".join(f"image/{name.lower()}" for name in FORMATS)
    assert f'accept="{accepted}"' in page
    assert 'accept="image/*" capture="environment"' in page
    assert ", ".join(FORMATS) in page


@pytest.mark.parametrize(
    ("name", "readable"),
    [("mobilenet_v2", "MobileNetV2"), ("resnet50", "ResNet-50"), ("birds", "birds")],
)
def test_models_have_readable_names(name: str, readable: str, tmp_path: Path) -> None:
    """Official models are written as people write them, a model of one's own as it was named."""
    with _client(str(tmp_path / name)) as client:
        page = client.get("/", headers={"Accept": "text/html"}).text
        assert re.search(rf'<a id="model-name" href="/info">{readable}</a>', page)


def test_sample_is_in_the_api_document(client: FlaskClient) -> None:
    """OpenAPI tells of the picture and of its absence."""
    described = client.get("/openapi.json").json["paths"]["/sample"]["get"]["responses"]
    assert set(described["200"]["content"]) == {"image/png", "image/jpeg"}
    assert "not_found" in described["404"]["description"]
