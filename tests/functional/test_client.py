"""The Python client, and `topfive classify --url`, against the real service."""

import hashlib
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.functional.either_client import open_either
from tests.functional.start import run_topfive
from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg, png
from topfive.cli import commands
from topfive.client import Client, Refused
from topfive.errors import OperatorError

KEY = "a key with ümlauts"


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, server: LiveServer) -> Iterator[Any]:
    """Each of the two clients, of a service with two workers."""
    with open_either(request.param, server.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def strict(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service that asks for a key and gives it four pictures every two seconds."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    folder = tmp_path_factory.mktemp("strict")
    settings = {"api_keys": digest, "rate_limit": "4/2 second"}
    with run_server(folder, model=str(tiny_folder), **settings) as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Seven picture files, of which the third is text and the fifth is not there."""
    paths = [tmp_path / f"{number}.jpg" for number in range(7)]
    for number, path in enumerate(paths):
        path.write_bytes(b"text" if number == 2 else jpeg(seed=number))
    paths[4].unlink()
    return paths


def test_a_prediction_is_what_the_api_answers(client: Any, server: LiveServer) -> None:
    """The same classes as over plain HTTP, in types."""
    expected = server.upload(png(30, 20), "/predict?top_k=3").json
    found = client.predict(png(30, 20), top_k=3)
    assert [one.class_name for one in found.predictions] == [
        one["class_name"] for one in expected["predictions"]
    ]
    assert [one.confidence for one in found.predictions] == pytest.approx(
        [one["confidence"] for one in expected["predictions"]], abs=1e-3
    )
    assert (found.image.format, found.image.width, found.image.height) == ("PNG", 30, 20)
    assert (found.model.name, found.model.version) == ("tiny", "1")
    assert len(found.request_id) == 32


def test_health_and_models_are_told(client: Any) -> None:
    """What /health and /models have, in types."""
    health, models = client.health(), client.models()
    assert (health.status, health.model, health.timestamp.tzinfo is not None) == (
        "healthy",
        "tiny",
        True,
    )
    (model,) = [one for one in models.models if one.name == "tiny"]
    assert (model.version, model.state, model.active) == ("1", "ready", True)
    assert models.routes["default"].targets[0].model == "tiny"


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [({"top_k": 0}, "invalid_parameter", 400), ({"model": "nothing"}, "model_not_found", 404)],
)
def test_a_failure_is_told_by_its_code(
    client: Any, options: dict[str, Any], code: str, status: int
) -> None:
    """The API's code, and the sentence that it has for people."""
    with pytest.raises(Refused) as refused:
        client.predict(jpeg(), **options)
    assert (refused.value.code, refused.value.status) == (code, status)
    assert refused.value.request_id


def test_many_pictures_have_their_results_in_order(client: Any, pictures: list[Path]) -> None:
    """Paths, bytes and files alike; bad ones have their error in place."""
    with pictures[1].open("rb") as file:
        given = [pictures[0], file, *map(str, pictures[2:5]), pictures[5].read_bytes(), b""]
        results = list(client.predict_many(given, top_k=1))
    assert [one.error.code if one.error else "" for one in results] == [
        "", "", "unsupported_format", "", "unreadable_file", "", "empty_file",
    ]  # fmt: skip
    assert [one.index for one in results] == list(range(7))
    for index in (0, 1, 3, 5):
        expected = client.predict(jpeg(seed=index), top_k=1).best
        assert results[index].get().best.class_id == expected.class_id
        assert results[index].get().model.name == "tiny"


def test_any_number_of_pictures_is_sent_in_batches(client: Any, server: LiveServer) -> None:
    """150 of a generator take three requests, of at most 64 pictures each."""
    seen = len(server.events("request"))
    pictures = [jpeg(seed=number) for number in range(5)]
    results = list(client.predict_many((pictures[index % 5] for index in range(150)), top_k=1))
    assert [one.index for one in results] == list(range(150))
    best = [one.get().best.class_id for one in results]
    assert best == best[:5] * 30
    assert {one.get().model for one in results} == {client.predict(pictures[0]).model}
    # Lines come a moment after the answers, and those of what follows come after them.
    server.wait_for_line(server.upload(pictures[0]).headers["X-Request-ID"])
    sent = [one for one in server.events("request")[seen:] if one["route"] == "/predict/batch"]
    assert sorted(one["pictures"] for one in sent) == [22, 64, 64]


def test_heatmaps_come_alone_and_in_batches(client: Any) -> None:
    """Where the best class was seen, as a PNG of the size that is told, for one and for many."""
    pictures = [png(60, 40), jpeg(80, 80)]
    alone = [client.predict(one, heatmap=True) for one in pictures]
    many = [one.get() for one in client.predict_many(pictures, heatmap=True)]
    for found in (*alone, *many):
        assert found.heatmap is not None
        assert found.heatmap.class_id == found.best.class_id
        with Image.open(BytesIO(found.heatmap.png)) as image:
            assert (image.mode, image.size) == ("L", (found.heatmap.width, found.heatmap.height))
    assert client.predict(pictures[0]).heatmap is None


def test_what_is_wrong_with_a_batch_is_told_before_it_is_sent(server: LiveServer) -> None:
    """A service that refuses the first bytes of 30 MB is heard, though it reads no more of them."""
    with Client(server.url) as client, pytest.raises(Refused) as refused:
        list(client.predict_many([jpeg() + bytes(3_000_000)] * 10, model="nothing"))
    assert refused.value.code == "model_not_found"


def test_connections_are_used_again(server: LiveServer) -> None:
    """Ten calls from two threads open no more than a few connections."""
    opened: list[str] = []

    def note(event: str, _info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            opened.append(event)

    hooks = {"request": [lambda request: request.extensions.update(trace=note)]}
    with httpx.Client(event_hooks=hooks) as http, Client(server.url, http=http) as client:
        threads = [
            threading.Thread(target=lambda: [client.predict(jpeg()) for _ in range(5)])
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # The service may end a kept one, to even its workers out.
    assert 1 <= len(opened) < 8


def test_a_key_is_sent_and_a_quota_waited_out(strict: LiveServer) -> None:
    """Ten pictures pass a limit of four in two seconds; without the key none does."""
    with Client(strict.url, key=KEY) as client:
        results = list(client.predict_many([jpeg()] * 10))
        assert [one.error for one in results] == [None] * 10
    with Client(strict.url, key="wrong") as client, pytest.raises(Refused) as refused:
        client.predict(jpeg())
    assert refused.value.code == "unauthorized"


def test_classify_asks_a_service(tmp_path: Path, server: LiveServer, pictures: list[Path]) -> None:
    """With --url no model is loaded here: lines are the API's answers, in order, bad ones too."""
    names = [path.name for path in pictures]
    done = run_topfive(tmp_path, "classify", "--json", "--url", server.url, *names, model="nothing")
    assert (done.returncode, done.stderr) == (1, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == names
    codes = [line.get("code") for line in lines]
    assert codes == [None, None, "unsupported_format", None, "unreadable_file", None, None]
    answer = server.upload(jpeg()).json
    assert list(lines[0]) == ["file", *answer]
    assert lines[0]["model"] == answer["model"]


def classify(*arguments: str, **environment: str) -> Any:
    """Run the command in this process, which takes less time to start."""
    return CliRunner().invoke(commands, ["classify", *arguments], env=environment)


def test_classify_sends_a_key(strict: LiveServer, pictures: list[Path]) -> None:
    """From --key or from TOPFIVE_API_KEY; without one, or with a wrong one, it says what to do."""
    command = ("--url", strict.url, "--top-k", "2", str(pictures[0]))
    for done in (classify(*command, "--key", KEY), classify(*command, TOPFIVE_API_KEY=KEY)):
        assert (done.exit_code, done.stderr, done.stdout.count("%")) == (0, "", 2)
    told = {"asks for an API key": "", "does not know the API key that was given": "wrong"}
    for what, key in told.items():
        error = classify(*command, "--key", key).exception
        assert isinstance(error, OperatorError)
        assert str(error) == f"The service {what}. Give one as TOPFIVE_API_KEY, or with --key."


def test_classify_at_a_wrong_address_is_one_plain_line(tmp_path: Path) -> None:
    """Where nothing listens, and where --key has no service to go to."""
    (tmp_path / "a.jpg").write_bytes(jpeg())
    done = run_topfive(tmp_path, "classify", "--url", "http://127.0.0.1:1", "a.jpg")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Nothing listens at http://127.0.0.1:1")
    assert len(done.stderr.splitlines()) == 1
    without = classify("--key", "x", str(tmp_path / "a.jpg"))
    assert without.exit_code == 2
    assert "--url" in without.stderr


def test_classify_reads_standard_input_for_a_service(server: LiveServer) -> None:
    """`-` is sent as a picture like any other."""
    done = CliRunner().invoke(
        commands, ["classify", "--json", "--url", server.url, "-"], jpeg(), {}
    )
    assert (done.exit_code, json.loads(done.stdout)["file"]) == (0, "-")
