"""What holds for every route, those that are yet to be written too."""

from collections.abc import Iterator

import pytest
from flask import Response
from flask.testing import FlaskClient
from pydantic import BaseModel, ConfigDict, Field

from topfive.api import create_app
from topfive.settings import parse_settings


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(ge=1)
    colour: str = "red"


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    """A client of an app that lets its framework read a query and a JSON body."""
    app = create_app(parse_settings({"TOPFIVE_MODEL": "digits"}))

    @app.get("/later")
    def by_query(query: _Asked) -> Response:
        """Answer a query that fits."""
        return Response(query.colour)

    @app.post("/later")
    def by_body(body: _Asked) -> Response:
        """Answer a body that fits."""
        return Response(body.colour)

    yield app.test_client()
    app.service.close()


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "`count` is missing."),
        ("count=0", "`count` does not fit."),
        ("count=many", "`count` does not fit."),
        ("count=1&size=3", "`size` is not known."),
        ("count=1&<b>=3", "What was sent is not known."),
    ],
)
def test_a_wrong_query_is_told_in_our_own_words(
    client: FlaskClient, query: str, detail: str
) -> None:
    """A problem like any other, with nothing of what the validating library says."""
    answer = client.get(f"/later?{query}")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert answer.json["code"] == "invalid_parameter"
    assert answer.json["detail"] == f"{detail} See /docs for what this address takes."
    assert "pydantic" not in answer.text


@pytest.mark.parametrize("body", [{"count": "x"}, {}, [1], {"count": 1, "colour": None}])
def test_a_wrong_body_is_told_in_our_own_words(client: FlaskClient, body: object) -> None:
    """A JSON body that does not fit is a problem of the same form."""
    answer = client.post("/later", json=body)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_parameter")
    assert answer.json["detail"].endswith("See /docs for what this address takes.")


def test_what_fits_is_answered(client: FlaskClient) -> None:
    """The routes work at all."""
    assert client.get("/later?count=2").text == "red"
    assert client.post("/later", json={"count": 2, "colour": "blue"}).text == "blue"
