"""A running server for the contract tests."""

from tests.functional.conftest import server

__all__ = ["server"]
