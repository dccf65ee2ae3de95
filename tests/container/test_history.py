"""Images that keep a history of predictions."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.engine import Container, Engine
from tests.pictures import jpeg

MB = 1e6
URL = "sqlite:////history/history.db"
# Asked from within, as the machine itself: no keys are set.
_LIST = """
import urllib.request
print(urllib.request.urlopen('http://127.0.0.1:5000/predictions').read().decode())
"""
_HAS_DATABASES = """
import importlib.util as u
print([m for m in ('sqlalchemy', 'alembic', 'psycopg', 'pyarrow') if u.find_spec(m)])
"""


@pytest.fixture(scope="module")
def plain(engine: Engine, context: Path) -> str:
    """The image without a model, but for the digits."""
    return engine.build("localhost/topfive-test-plain", context, MODEL="")


@pytest.fixture(scope="module")
def keeping(engine: Engine, context: Path) -> str:
    """The same with what a history in PostgreSQL, or in a file, needs."""
    return engine.build("localhost/topfive-test-history", context, MODEL="", HISTORY="postgresql")


@pytest.fixture
def volume(engine: Engine) -> Iterator[str]:
    """A volume that no container has used."""
    name = f"topfive-test-{uuid.uuid4().hex[:8]}"
    engine.call("volume", "create", name)
    yield name
    engine.call("volume", "rm", "--force", name)


def list_predictions(container: Container) -> list[str]:
    """List the ids of what is kept, newest first; the writer may need a moment."""
    return [one["id"] for one in json.loads(container.run_python(_LIST))["predictions"]]


def test_a_history_outlives_its_container(engine: Engine, keeping: str, volume: str) -> None:
    """What was answered is in the file on the volume after SIGTERM, and the next one lists it."""
    given = {"model": "digits", "history_url": URL}
    options = (f"--volume={volume}:/history", "--memory=2g")
    with engine.running(keeping, *options, **given) as container:
        answers = [container.server.upload(jpeg()) for _ in range(5)]
        assert {one.status for one in answers} == {200}
        assert container.stop() == 0
    with engine.running(keeping, *options, **given) as container:
        kept = list_predictions(container)
    assert sorted(kept) == sorted(one.headers["X-Prediction-ID"] for one in answers)


def test_commands_for_the_database_work_in_the_image(
    engine: Engine, keeping: str, volume: str
) -> None:
    """`topfive db` brings a file on the volume up to date, as the user of the image."""
    run = ("run", "--rm", f"--volume={volume}:/history", f"--env=TOPFIVE_HISTORY_URL={URL}")
    engine.call(*run, keeping, "topfive", "db", "upgrade")
    told = engine.call(*run, keeping, "topfive", "db", "current", "--json").stdout
    assert json.loads(told)


def test_an_image_without_it_says_what_it_needs(engine: Engine, plain: str) -> None:
    """The usual image has no database in it; asked for a history it does not start."""
    assert engine.call("run", "--rm", plain, "python", "-c", _HAS_DATABASES).stdout.strip() == "[]"
    done = engine.call("run", "--rm", f"--env=TOPFIVE_HISTORY_URL={URL}", plain, check=False)
    assert done.returncode == 2
    assert "requirements-history.txt" in done.stderr


def test_a_history_adds_less_than_60_mb(engine: Engine, plain: str, keeping: str) -> None:
    """With PostgreSQL's client."""
    added_bytes = engine.size_above_base_bytes(keeping) - engine.size_above_base_bytes(plain)
    assert added_bytes < 60 * MB


def test_an_unknown_kind_of_history_stops_the_build(engine: Engine, context: Path) -> None:
    """The build says what HISTORY may be."""
    with pytest.raises(AssertionError, match="it must be sqlite, postgresql or empty"):
        engine.build("localhost/topfive-test-wrong", context, MODEL="", HISTORY="mysql")
