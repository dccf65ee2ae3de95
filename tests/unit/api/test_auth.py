"""Which API key a request carries."""

import hashlib
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from tests import pictures
from topfive.api import create_app
from topfive.auth import keys
from topfive.settings import parse_settings

KEY = "a good key"


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    """A client of an app that asks for keys and counts each key's calls."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    app = create_app(
        parse_settings(
            {
                "TOPFIVE_MODEL": "digits",
                "TOPFIVE_API_KEYS": f"{digest}:predict+admin",
                "TOPFIVE_RATE_LIMIT": "1000/hour",
            }
        )
    )
    yield app.test_client()
    app.service.close()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is hashed in order to look for a key."""
    noted: list[bytes] = []

    def sha256(data: bytes) -> object:
        noted.append(data)
        return hashlib.sha256(data)

    monkeypatch.setattr(keys, "hashlib", SimpleNamespace(sha256=sha256))
    return noted


@pytest.mark.parametrize(("key", "status"), [(KEY, 200), ("a wrong key", 401)])
def test_a_key_is_hashed_once_a_request(
    client: FlaskClient, hashed: list[bytes], key: str, status: int
) -> None:
    """Rate limit and scope ask for the same key; a flood of guesses costs one hash each."""
    answer = client.post(
        "/predict",
        data=pictures.png(),
        content_type="image/png",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == status
    assert hashed == [key.encode()]


def test_without_a_key_nothing_is_hashed(client: FlaskClient, hashed: list[bytes]) -> None:
    """A request that carries none is refused at once."""
    assert client.post("/predict", data=b"").status_code == 401
    assert hashed == []
