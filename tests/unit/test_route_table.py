"""The table of routes: how a request's route is found, and what follows from it."""

import pytest

from topfive.route_table import (
    ROUTES,
    STANDARD_TABLE,
    ErrorShape,
    Route,
    RouteTable,
    Work,
    build_route_table,
)


@pytest.mark.parametrize(
    ("method", "path", "declared"),
    [
        ("POST", "/predict", "/predict"),
        ("POST", "/%70redict", "/predict"),
        ("GET", "/predict", None),
        ("OPTIONS", "/predict", None),
        ("POST", "/predict/", None),
        ("POST", "//predict", None),
        ("HEAD", "/health", "/health"),
        ("GET", "/sample/3", "/sample/{number}"),
        ("GET", "/sample/{number}", "/sample/{number}"),
        ("GET", "/sample/", None),
        ("GET", "/sample/3/4", None),
        ("GET", "/sample%2F3", "/sample/{number}"),
        ("GET", "", None),
        ("GET", "/" * 60_000, None),
    ],
)
def test_a_route_is_found_by_method_and_path(method: str, path: str, declared: str | None) -> None:
    """A path of a declared form is found, escaped or not, and nothing that is only like it."""
    found = STANDARD_TABLE.find(method, path)
    assert (found.path if found else None) == declared


def test_no_route_is_declared_twice() -> None:
    """A method and a path have one row."""
    keys = [(one.method, one.path) for one in ROUTES]
    assert len(keys) == len(set(keys))


def test_every_prediction_costs_a_picture_and_asks_for_its_scope() -> None:
    """What classifies pictures is counted in the quota and behind the key `predict`."""
    predictions = [one for one in ROUTES if one.work in (Work.PREDICTION, Work.BATCH)]
    assert {(one.scope, one.pictures) for one in predictions} == {("predict", 1)}
    assert all(one.pictures == 0 for one in ROUTES if one not in predictions)


@pytest.mark.parametrize(("has_port", "scope"), [(False, "admin"), (True, None)])
def test_metrics_on_a_port_of_their_own_ask_for_no_key(has_port: bool, scope: str | None) -> None:
    """Who can reach that port may read them."""
    found = build_route_table(has_metrics_port=has_port).find("GET", "/metrics")
    assert found is not None
    assert found.scope == scope


@pytest.mark.parametrize("most_bytes", [1, 2, 3, 10 * 1024 * 1024])
def test_a_body_in_base64_may_be_a_third_longer(most_bytes: int) -> None:
    """The largest picture fits, as it is and as base64 with its padding."""
    table = build_route_table(most_bytes)
    for route in [one for one in table.routes if one.work is not Work.BATCH]:
        needed = -(-most_bytes // 3) * 4 if route.counts_body else most_bytes
        assert needed < table.body_bytes(route) <= table.most_body_bytes


def test_a_batch_has_a_length_of_its_own() -> None:
    """It is longer than what is collected, and what is collected is bounded without it."""
    table = build_route_table(1000, max_batch_bytes=10**9)
    batch = table.find("POST", "/predict/batch")
    assert batch is not None
    assert (batch.work, table.body_bytes(batch)) == (Work.BATCH, 10**9)
    assert table.most_body_bytes == build_route_table(1000).most_body_bytes < 10**5


def test_failures_are_written_as_a_route_says() -> None:
    """One text where a route's own clients expect that, else a problem; below /v2 in any case."""
    table = RouteTable([Route("POST", "/one", error_shape=ErrorShape.MESSAGE)], 1)
    assert table.error_shape("/one") is ErrorShape.MESSAGE
    assert table.error_shape("/v2/nothing") is ErrorShape.MESSAGE
    assert table.error_shape("/other") is ErrorShape.PROBLEM
