"""Images for bulk runs: on one machine, and as the pods of a RayJob."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.container.engine import HARDENED, Engine
from tests.pictures import jpeg

MB = 1e6
PICTURES = 40
JOINED_WITHIN_S = 120
# As deploy/k8s/bulk/rayjob.yaml runs it, whose kubelet keeps /tmp and /dev/shm apart.
POD = (
    *HARDENED,
    "--tmpfs=/tmp:mode=1777",
    "--shm-size=256m",
    "--memory=4g",
    "--env=HOME=/tmp",
    "--env=RAY_USAGE_STATS_ENABLED=0",
    "--env=TOPFIVE_MODEL=digits",
)
START = "--object-store-memory=100000000 --block"


@pytest.fixture(scope="module")
def bulk_image(engine: Engine, context: Path) -> str:
    """The image with Ray, and without a model but for the digits."""
    return engine.build("localhost/topfive-test-bulk", context, MODEL="", BULK="1")


@pytest.fixture(scope="module")
def plain_image(engine: Engine, context: Path) -> str:
    """The same without Ray."""
    return engine.build("localhost/topfive-test-plain", context, MODEL="")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that all containers see at /data, with pictures of which one is broken."""
    tmp_path.chmod(0o755)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(PICTURES - 1):
        (pictures / f"{number:03}.jpg").write_bytes(jpeg())
    (pictures / "broken.jpg").write_bytes(jpeg()[:200])
    (tmp_path / "results").mkdir()
    (tmp_path / "results").chmod(0o777)
    return tmp_path


def bulk_command(*options: str) -> tuple[str, ...]:
    """A run over the pictures, in shards small enough for both actors to get some."""
    given = ("--shard-pictures=5", "--json", *options)
    return ("topfive", "bulk", "/data/pictures", "--out=/data/results/run", *given)


def read_summary(printed: str) -> dict[str, int]:
    """Find the summary among what was printed."""
    (line,) = (one for one in printed.splitlines() if one.startswith("{"))
    return json.loads(line)["totals"]


def test_a_bulk_run_needs_no_more_than_any_container(
    engine: Engine, bulk_image: str, shared: Path
) -> None:
    """With a read-only disk, as another user than root and without a network."""
    options = (*POD, "--rm", "--network=none", f"--volume={shared}:/data")
    done = engine.call("run", *options, bulk_image, *bulk_command())
    totals = read_summary(done.stdout)
    assert totals["pictures"] == PICTURES
    assert sum(totals["errors"].values()) == 1


@contextmanager
def ray_cluster(engine: Engine, image: str, shared: Path) -> Iterator[tuple[str, ...]]:
    """Run a head without CPUs and a worker with two; gives what others need to reach it."""
    token = ("--env=RAY_AUTH_MODE=token", f"--env=RAY_AUTH_TOKEN={secrets.token_hex(32)}")
    options = (*POD, *token, f"--volume={shared}:/data", "--cpus=2")
    head, worker = (f"topfive-test-{part}-{secrets.token_hex(4)}" for part in ("head", "worker"))
    try:
        begin = ("run", "--detach", *options)
        # A login shell, as older operators use.
        start = f"ray start --head --num-cpus=0 --dashboard-host=0.0.0.0 {START}"
        engine.call(*begin, f"--name={head}", image, "bash", "-lc", start)
        found = json.loads(engine.call("inspect", head).stdout)[0]["NetworkSettings"]
        address = found["IPAddress"] or next(iter(found["Networks"].values()))["IPAddress"]
        start = f"sleep 5; ray start --address={address}:6379 --num-cpus=2 {START}"
        engine.call(*begin, f"--name={worker}", image, "bash", "-c", start)
        _wait_for_nodes(engine, head, 2)
        yield *options, f"--env=RAY_API_SERVER_ADDRESS=http://{address}:8265"
    finally:
        for name in (head, worker):
            engine.call("rm", "--force", name, check=False)


def _wait_for_nodes(engine: Engine, head: str, nodes: int) -> None:
    end_s = time.monotonic() + JOINED_WITHIN_S
    told = ""
    while time.monotonic() < end_s:
        told = engine.call("exec", head, "ray", "status", check=False).stdout
        if told.count(" node_") == nodes:
            return
        time.sleep(1)
    raise AssertionError(f"the cluster did not come together: {told}")


def test_a_submitted_run_uses_the_cluster_and_is_done_once(
    engine: Engine, bulk_image: str, shared: Path
) -> None:
    """What a RayJob does, twice: the head runs the command, the worker classifies; then nothing."""
    with ray_cluster(engine, bulk_image, shared) as options:
        submit = ("run", "--rm", *options, bulk_image, "ray", "job", "submit", "--")
        command = bulk_command("--address=auto", "--resume")
        first, again = (engine.call(*submit, *command).stdout for _ in range(2))
    assert read_summary(first)["pictures"] == PICTURES
    assert read_summary(first) == read_summary(again)
    assert "finished already" in again


def test_ray_adds_less_than_400_mb(engine: Engine, plain_image: str, bulk_image: str) -> None:
    """To an image that serves; and that one has none of it."""
    has_ray = "import importlib.util as u; print(u.find_spec('ray') is not None)"
    assert engine.call("run", "--rm", plain_image, "python", "-c", has_ray).stdout == "False\n"
    added_bytes = engine.size_above_base_bytes(bulk_image) - engine.size_above_base_bytes(
        plain_image
    )
    assert added_bytes < 400 * MB
