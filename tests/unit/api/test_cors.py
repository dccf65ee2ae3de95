"""What is refused below the app says the same of other origins as the app's own answers."""

import pytest
from flask import Flask

from topfive.api.cors import allow_origins, origin_headers

ALLOWED = [(), ("*",), ("https://a.example",), ("https://a.example", "https://b.example")]
ASKING = [
    "https://a.example",
    "HTTPS://A.example",
    "https://b.example",
    "https://other.example",
    "null",
]


@pytest.mark.parametrize("origins", ALLOWED)
@pytest.mark.parametrize("origin", ASKING)
def test_refusals_carry_what_answers_carry(origins: tuple[str, ...], origin: str) -> None:
    """For every set of allowed origins and every asking one both have the same headers."""
    app = Flask("test")
    allow_origins(app, origins)
    app.add_url_rule("/", view_func=lambda: "")
    answer = app.test_client().get("/", headers={"Origin": origin})
    sent = {
        name: value
        for name, value in answer.headers.items()
        if name.startswith("Access-Control-") or name == "Vary"
    }
    assert sent == origin_headers(origins, origin)
