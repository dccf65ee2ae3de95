"""What the tests of single packages share."""

import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Undo what a test configures of logging, which is one for the whole process."""
    root, pil = logging.getLogger(), logging.getLogger("PIL")
    before = (root.level, list(root.handlers), pil.level, list(warnings.filters))
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    pil.setLevel(before[2])
    warnings.filters[:] = before[3]
    structlog.reset_defaults()
