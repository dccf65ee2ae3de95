"""The images, built once; nothing here is collected unless this folder is asked for by name."""

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.engine import Container, Engine, copy_context, find_engine


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these out of `make test`: a build takes minutes."""
    asked_for = any("container" in str(argument) for argument in config.args)
    return None if asked_for else True


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Docker or podman."""
    found = find_engine()
    if found is None:
        pytest.skip("Neither docker nor podman works here: set up one to test the image.")
    return found


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the build context."""
    return copy_context(tmp_path_factory.mktemp("context"))


@pytest.fixture(scope="session")
def image(engine: Engine, context: Path) -> str:
    """The image with MobileNetV2: with the test's weights where given, else torchvision's."""
    given = os.environ.get("TOPFIVE_TEST_WEIGHTS")
    if not given:
        return engine.build("localhost/topfive-test", context)
    weights = shutil.copy(given, context / "docker" / "weights")
    return engine.build("localhost/topfive-test", context, WEIGHTS=Path(weights).name)


@pytest.fixture(scope="module")
def container(engine: Engine, image: str) -> Iterator[Container]:
    """A container with two workers that tests may ask, but not harm."""
    with engine.running(image, "--memory=2g") as running:
        yield running


@pytest.fixture(scope="session")
def labelled_photos(real_photos: Path) -> list[tuple[bytes, int]]:
    """Twenty photos with their classes."""
    with (real_photos / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))[:20]
    return [((real_photos / row["file"]).read_bytes(), int(row["class_id"])) for row in rows]
