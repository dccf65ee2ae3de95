"""A cluster of several nodes: joined, refused, and killed in the middle."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bulk.command import TIMEOUT_S, TOPFIVE, environment, read_rows, run_bulk
from tests.bulk.faults import write_faults
from tests.bulk.nodes import Nodes, free_port
from tests.bulk.samples import fill_with_samples

PICTURES = 400


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Start a head that does not work, and two nodes that do, slowly."""
    # Sockets lie below it, whose paths may not be long.
    folder = Path(tmp_path_factory.mktemp("n"))
    cluster = Nodes(folder, write_faults(folder, seconds=0.02))
    try:
        cluster.start_head()
        cluster.add()
        cluster.add()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of good pictures."""
    return fill_with_samples(tmp_path_factory.mktemp("pictures"), PICTURES)


def test_nobody_waits_for_an_address_where_nobody_listens(pictures: Path, tmp_path: Path) -> None:
    """It is refused, and nothing goes on in secret."""
    refused = run_bulk(pictures, "--out", tmp_path, "--address", f"127.0.0.1:{free_port()}")
    assert refused.returncode == 2
    assert "No cluster answers at 127.0.0.1" in refused.stderr


def test_a_node_that_never_comes_is_told(nodes: Nodes, pictures: Path, tmp_path: Path) -> None:
    """What there is, what is needed, and what to do."""
    few = ["--address", nodes.address, "--actors", "3", "--wait-s", "0.5"]
    refused = run_bulk(pictures, "--out", tmp_path, *few, **nodes.variables)
    assert refused.returncode == 2
    assert "3 nodes" in refused.stderr
    assert "Needed: 3 CPUs, one for each actor" in refused.stderr
    assert "--wait-s" in refused.stderr


def test_another_version_of_ray_is_told(nodes: Nodes, pictures: Path, tmp_path: Path) -> None:
    """Both versions are named."""
    (tmp_path / "sitecustomize.py").write_text("import ray; ray.__version__ = '2.0.1'\n")
    other = nodes.variables | {"PYTHONPATH": str(tmp_path)}
    refused = run_bulk(pictures, "--out", tmp_path / "results", "--address", nodes.address, **other)
    assert refused.returncode == 2
    assert "2.0.1" in refused.stderr
    assert "Install the same versions" in refused.stderr


def test_nothing_is_lost_or_twice_when_nodes_are_killed(
    nodes: Nodes, pictures: Path, tmp_path: Path
) -> None:
    """One is killed in the middle: the other does the rest. Then that one, too: it is told, and
    `--resume` does the rest on a new one.
    """
    results = tmp_path / "results"
    arguments = [pictures, "--out", results, "--shard-pictures", "10",
                 "--address", nodes.address, "--wait-s", "3"]  # fmt: skip
    run = subprocess.Popen(
        [TOPFIVE, "bulk", *map(str, arguments)],
        env=environment(**nodes.variables),
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_parts(results, 4, run)
    nodes.kill_last()
    _wait_for_parts(results, 20, run)
    nodes.kill_last()
    _, told = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 1, told
    assert "nodes that could work have gone" in told
    assert 200 <= len(read_rows(results)) < PICTURES
    nodes.add()
    again = run_bulk(*arguments, "--resume", **nodes.variables)
    nodes.kill_last()
    assert again.returncode == 0, again.stderr
    rows = read_rows(results)
    assert [row["index"] for row in rows] == list(range(PICTURES))
    assert not [row["path"] for row in rows if row["error"]]


def _wait_for_parts(results: Path, count: int, run: subprocess.Popen[str]) -> None:
    give_up_s = time.monotonic() + TIMEOUT_S
    while len(list(results.glob("part-*"))) < count:
        assert run.poll() is None
        assert time.monotonic() < give_up_s
        time.sleep(0.05)
