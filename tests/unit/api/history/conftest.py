"""An app whose history is a test's."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.unit.fake_history import FakeHistory
from topfive.api import App, create_app
from topfive.settings import parse_settings


@pytest.fixture(scope="package")
def app() -> Iterator[App]:
    """An app without API keys."""
    made = create_app(parse_settings({"TOPFIVE_MODEL": "digits"}))
    yield made
    made.service.close()


@pytest.fixture
def history(app: App) -> FakeHistory:
    """The history that the app tells from; nothing is in it yet."""
    made = FakeHistory()
    app.service.tell_from(made)
    return made


@pytest.fixture
def client(app: App, history: FakeHistory) -> FlaskClient:
    """A client on the machine itself."""
    return app.test_client()
