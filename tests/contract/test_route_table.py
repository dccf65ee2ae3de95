"""The table of routes and what is answered are the same."""

from collections.abc import Iterator

import pytest

from topfive.api import App, create_app
from topfive.api.request import declared_path
from topfive.settings import parse_settings


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    """An app whose optional routes are all there."""
    settings = {
        "TOPFIVE_MODEL": "digits",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/8:predict",
        "AIP_HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/8",
    }
    app = create_app(parse_settings(settings))
    yield app
    app.service.close()


def answered(app: App) -> set[tuple[str, str]]:
    """List what Flask answers, by method and path as the table writes them."""
    return {
        (method, declared_path(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_route_is_in_the_table_and_the_other_way_round(app: App) -> None:
    """Nothing is answered of which the scheduler, the quota and the keys do not know."""
    declared = {(one.method, one.path) for one in app.route_table.routes if not one.is_reserved}
    assert answered(app) == declared


def test_what_asks_for_a_key_says_so_in_the_document(app: App) -> None:
    """OpenAPI tells of a key exactly where the table has a scope."""
    paths = app.test_client().get("/openapi.json").json["paths"]
    asking = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" in operation
    }
    scoped = {(one.method, one.path) for one in app.route_table.routes if one.scope}
    assert asking == {one for one in scoped if one[1] in paths}
    assert ("POST", "/predict") in asking
