"""The real service takes its models from S3, and serves on where that is down."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import pictures, store_servers
from tests.functional.start import refused_start
from tests.live_server import run_server
from tests.store_servers import KEY, before
from tests.unit.bundle_copies import copy_bundle
from topfive.bundles.store import open_bundle
from topfive.stores.address import parse_store
from topfive.stores.contract import NoProgress
from topfive.stores.opening import open_writable_store
from topfive.stores.upload import push_bundle

STORE = "s3://models/team"
LATE_S = 60


@pytest.fixture(scope="module")
def s3(tiny_folder, tmp_path_factory):
    """The way to S3, which has tiny 1 and flowers 1.0.0."""
    flowers = copy_bundle(
        tiny_folder, tmp_path_factory.mktemp("made") / "flowers", name="flowers", version="1.0.0"
    )
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in (KEY | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
            patch.setenv(name, value)
        moto = stack.enter_context(store_servers.run_moto())
        server = stack.enter_context(before(moto))
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        store_servers.make_bucket(moto, "models")
        for folder in (tiny_folder, flowers):
            push(folder)
        yield server


def push(folder: Path) -> None:
    """Push a bundle to the store."""
    push_bundle(open_writable_store(parse_store(STORE)), open_bundle(folder), NoProgress())


def downloads(server: store_servers.FaultyServer, path: str) -> int:
    """Count how often a file was asked for."""
    return sum(method == "GET" and path in seen for method, seen, _ in server.seen)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    end_s = time.monotonic() + LATE_S
    while not is_so():
        assert time.monotonic() < end_s, f"{what} did not come"
        time.sleep(0.1)


def test_models_come_from_the_store_and_new_ones_are_seen(s3, tmp_path, tiny_folder):
    """Missing models are fetched once for all workers, and what is pushed later becomes known."""
    newest = "/predict?model=flowers&version=1.1.0"
    with run_server(
        tmp_path, model="tiny@1", models="flowers", model_store=STORE, model_store_ttl_s="1",
        workers="2",
    ) as server:  # fmt: skip
        answer = server.upload(pictures.jpeg())
        assert answer.json["model"] == {"name": "tiny", "version": "1"}
        answer = server.upload(pictures.jpeg(), "/predict?model=flowers")
        assert answer.json["model"] == {"name": "flowers", "version": "1.0.0"}
        assert downloads(s3, "tiny/1/model.bin") == downloads(s3, "flowers/1.0.0/model.bin") == 1
        assert server.upload(pictures.jpeg(), newest).status == 404
        push(copy_bundle(tiny_folder, tmp_path / "newer", name="flowers", version="1.1.0"))
        wait_until(
            lambda: server.upload(pictures.jpeg(), newest).code == "model_unavailable",
            "flowers 1.1.0",
        )
        assert downloads(s3, "flowers/1.1.0/model.bin") == 0
        assert server.get("/health").json["status"] == "healthy"
        pids = [server.process.pid, *server.worker_pids()]
        assert not [pid for pid in pids if "aiohttp" in Path(f"/proc/{pid}/maps").read_text()]
    assert [one["model"] for one in server.events("bundle_fetched")] == ["tiny", "flowers"]
    assert {one["store"] for one in server.events("store_listed")} == {STORE}


def test_a_store_that_is_down_stops_nothing(s3, tmp_path, tiny_folder, monkeypatch):
    """What is here serves; what is missing is told in public words, and comes with the store."""
    port = store_servers.free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    copy_bundle(tiny_folder, tmp_path / "models" / "tiny" / "1")
    with run_server(tmp_path, model="tiny", models="flowers@1.0.0", model_store=STORE) as server:
        health = server.wait_for_health("degraded")
        assert health["model"] == "tiny"
        assert health["reason"] == (
            "The bundle of flowers is not here yet. The service keeps trying; its log says more."
        )
        assert server.get("/readyz").status == 200
        assert "degraded" not in server.upload(pictures.jpeg()).json
        wait_until(lambda: bool(server.events("store_not_listed")), "a warning")
        with before(s3.url, port):
            server.wait_for_health("healthy")
            answer = server.upload(pictures.jpeg(), "/predict?model=flowers")
            assert answer.json["model"] == {"name": "flowers", "version": "1.0.0"}
    reasons = {one["reason"] for one in server.events("model_not_pulled")}
    assert reasons == {f"{STORE} cannot be used now: nothing answers there."}


def test_a_model_that_the_store_lacks_is_waited_for(s3, tmp_path, tiny_folder):
    """Without it nothing answers and the reason is public; once it is pushed it serves."""
    with run_server(tmp_path, is_ready=False, model="birds@2.0.0", model_store=STORE) as server:
        health = server.wait_for_health("unavailable")
        assert health["model"] == "birds"
        assert health["reason"].startswith("The bundle of birds is not here yet. The service keeps")
        push(copy_bundle(tiny_folder, tmp_path / "made", name="birds", version="2.0.0"))
        assert server.wait_for_health("healthy")["model_version"] == "2.0.0"
    said = server.events("model_not_pulled")[0]["reason"]
    assert said.startswith(f"There is no birds@2.0.0 in {STORE}. Its models: flowers, tiny")


def test_a_damaged_bundle_stops_the_start(s3, tmp_path, tiny_folder):
    """What waiting cannot heal ends the start with exit code 2, and nothing of it stays."""
    made = copy_bundle(tiny_folder, tmp_path / "made", name="wrong", version="1")
    (made / "labels.txt").write_text("other\n" * 10)
    for path in made.iterdir():
        store_servers.put_object(s3.url, f"models/team/wrong/1/{path.name}", path.read_bytes())
    said = refused_start(tmp_path, model="wrong", model_store=STORE)
    assert "labels.txt is not the file that the bundle was made with" in said
    assert list((tmp_path / "models").rglob("labels.txt")) == []


@pytest.mark.skipif(find_spec("adlfs") is not None, reason="adlfs is installed")
def test_a_missing_library_stops_the_start(tmp_path):
    """A store whose extra is not installed is a mistake, told with what to install."""
    said = refused_start(tmp_path, model="digits", model_store="az://models")
    assert "requirements-azure.txt" in said
