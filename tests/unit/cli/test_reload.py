"""`topfive reload` finds the service and signals nothing else."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from topfive.cli import reload as reload_module_command
from topfive.cli.reload import find_servers


def add_process(processes: Path, pid: int, parent: int, *arguments: str) -> None:
    """Write what /proc tells of one process."""
    folder = processes / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes("".join(f"{one}\0" for one in arguments).encode())
    (folder / "stat").write_text(f"{pid} (a name) with) S {parent} 1 1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("/opt/topfive/bin/python", "/opt/topfive/bin/topfive", "serve"),
        ("python3", "-m", "topfive", "serve", "--port", "8080"),
    ],
)
def test_a_service_is_found_by_its_parent(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """However it was started, the parent is found and its workers are not."""
    add_process(tmp_path, 10, 1, *arguments)
    add_process(tmp_path, 11, 10, *arguments)
    add_process(tmp_path, 12, 10, *arguments)
    assert find_servers(tmp_path) == [10]


def test_other_processes_are_left_alone(tmp_path: Path) -> None:
    """Neither other commands of topfive, nor other programs, nor kernel threads are taken."""
    add_process(tmp_path, 10, 1, "python3", "/usr/bin/topfive", "pull", "serve")
    add_process(tmp_path, 11, 1, "serve", "topfive")
    add_process(tmp_path, 12, 2)
    add_process(tmp_path, 13, 1, "grep", "topfive serve")
    assert find_servers(tmp_path) == []


def test_a_missing_process_is_told() -> None:
    """A process id that nobody has is an operator's error, with that id."""
    nobody = 2**22 - 3
    found = CliRunner().invoke(reload_module_command, [str(nobody)])
    assert str(nobody) in str(found.exception)
