"""Ray, started on this machine for one run, or a cluster that is there already."""

import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from topfive.bulk.cluster.agreement import require_same_topfive
from topfive.bulk.cluster.capacity import Wanted, read_capacity
from topfive.bulk.cluster.members import CONNECT_TIMEOUT_S, Cluster, answers, head_address
from topfive.bulk.interruption import ending_as_by_keyboard, held_signals
from topfive.errors import BulkRefused
from topfive.machine.probe import probe_machine

# Only lists of names and outcomes of shards lie in it.
_OBJECT_STORE_BYTES = 128 * 1024**2
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # Else whoever asks it a question after the end starts it again.
    "RAY_ENABLE_AUTO_CONNECT": "0",
}
_ALONE = {
    # By this Ray listens on 127.0.0.1 alone, as it does on systems whose firewalls ask people.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # So long Ray's processes look for one of them that was killed, before they end too.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}
# A cluster that is there answers at once.
_JOINING = {"RAY_NUM_REDIS_GET_RETRIES": "2", "RAY_py_gcs_connect_timeout_s": "5"}
_FOLDER_PREFIX = "topfive-"
_INNER = "r"
# Sockets lie in the folder, whose paths have at most 107 bytes, and Ray's part of them takes 64.
_MOST_FOLDER_BYTES = 43
_AUTO = "auto"
# No node comes to a Ray that was started here.
_ALONE_WAIT_S = 2.0
# Pictures that are slow to read may be waited for by more than there are CPUs.
_MOST_ACTORS_PER_CPU = 8


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Which cluster is meant, what is wanted of it, and for how long to wait for that.

    Without an `address` Ray is started on this machine.
    """

    address: str
    actors: int | None
    wait_s: float


@contextmanager
def connect(options: ClusterOptions, *, uses_torch: bool) -> Iterator[Cluster]:
    """Start Ray here, or join the cluster that is named, until the block ends.

    Where the engine is torch and there are GPUs, each actor has one. Raises BulkRefused if the
    cluster cannot be reached, has another version of topfive or Ray, or no room within the time.
    """
    opened = _join(options) if options.address else _start(options.actors or own_cpus())
    with redirect_stdout(_Nowhere()), opened as ray, ending_as_by_keyboard():
        gpus = sum(read_capacity(ray.nodes()).gpus.values())
        wait_s = options.wait_s if options.address else _ALONE_WAIT_S
        cluster = Cluster(ray, Wanted(options.actors, uses_torch and gpus > 0), wait_s)
        cluster.wait_for_start()
        if options.address:
            require_same_topfive(ray)
        yield cluster


def check_actors(actors: int | None, address: str) -> None:
    """Raise BulkRefused if this machine alone is to have more actors than can be of use."""
    cpus = own_cpus()
    if not address and actors is not None and actors > cpus * _MOST_ACTORS_PER_CPU:
        raise BulkRefused(
            f"{actors:,} actors are too many for this machine ({cpus:,} CPUs): each is a process "
            f"with the model in it. Give at most {cpus * _MOST_ACTORS_PER_CPU:,} after --actors, "
            "or a cluster after --address."
        )


def own_cpus() -> int:
    """Tell how many CPUs this process may keep busy; at least 1."""
    return max(1, ceil(probe_machine().cpus))


class _Nowhere:
    """Takes what Ray writes on standard output: that actors have ended, which we tell."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return None


def _ownership() -> dict[str, str]:
    """Make a token, without which nobody else on this machine can have Ray run anything.

    Left alone, Ray writes one into the home directory, to stay there.
    """
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@contextmanager
def _start(cpus: int) -> Iterator[Any]:
    os.environ.update(_QUIET | _ALONE | _ownership())
    ray = _import_ray()
    folder = _make_folder()
    try:
        with held_signals(), _quiet_stderr():
            ray.init(
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                # Ray lets everybody write there; nobody else comes as far, as the folder is ours.
                _temp_dir=str(folder / _INNER),
            )
        yield ray
    finally:
        _leave(ray)
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> Path:
    """Make a folder for Ray's logs and sockets, and delete those that killed runs have left."""
    name, further_bytes = f"{_FOLDER_PREFIX}{os.getpid()}-", len(f"12345678/{_INNER}")
    parent = Path(tempfile.gettempdir())
    if len(os.fsencode(parent / name)) + further_bytes > _MOST_FOLDER_BYTES:
        parent = Path("/tmp")  # noqa: S108 - the folder in it is made for this process alone
    _delete_left_over(parent)
    return Path(tempfile.mkdtemp(prefix=name, dir=parent))


def _delete_left_over(parent: Path) -> None:
    """Delete the folders of runs whose process was killed."""
    for folder in parent.glob(f"{_FOLDER_PREFIX}*-*"):
        pid = folder.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _join(options: ClusterOptions) -> Iterator[Any]:
    os.environ.update(_QUIET | _JOINING)
    ray = _import_ray()
    try:
        with held_signals(), _quiet_stderr():
            ray.init(address=options.address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise BulkRefused(_say_refused(options.address, error)) from error
    try:
        yield ray
    finally:
        _leave(ray)


def _leave(ray: Any) -> None:
    """End our part of Ray; without its head that would end this process before it has told why."""
    if ray.is_initialized() and answers(head_address(ray)):
        ray.shutdown()


def _import_ray() -> Any:
    # It reads the environment when it is imported.
    import ray  # noqa: PLC0415

    return ray


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Let nothing be written to standard error, not even past Python; errors are raised, too."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def check_address(address: str) -> None:
    """Do nothing if somebody listens at an address, or none is given; Ray would try for minutes.

    Raises BulkRefused: before anything is written, so that the mended command is no second run.
    """
    if address in ("", _AUTO):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "://" in address:
        raise BulkRefused(
            f"{address!r} is no address of a cluster. Write HOST:PORT, as `ray start` shows it, "
            "or auto on a machine that is a node of it."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise BulkRefused(
            f"No cluster answers at {address}: {error}. Start one with `ray start --head`, or "
            "leave --address out to work on this machine."
        ) from error


def _say_refused(address: str, error: Exception) -> str:
    said = " ".join(str(error).split())
    if "ersion mismatch" in said:
        return (
            f"Ray or Python here is not as on the cluster at {address}: {said} Install the same "
            "versions, with requirements-bulk.txt, on each node."
        )
    return (
        f"The cluster at {address} cannot be joined: {said[:300]} This machine must be a node of "
        "it, started with `ray start`, and have its token (RAY_AUTH_MODE, RAY_AUTH_TOKEN)."
    )
