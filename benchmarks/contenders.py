"""The servers that are compared: how each is started, and the ways to run it that are tried."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from environments import REQUIREMENTS as PEERS
from environments import make_environment
from report import PACKAGES
from server import Server, running
from uploads import Address, ask

GUNICORN = (
    "-m gunicorn --no-control-socket --worker-class gthread --chdir {PEERS} "
    "--workers {WORKERS} --threads {GUNICORN_THREADS} --bind 127.0.0.1:{PORT} "
)
Setup = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contender:
    """A server by name: its command, with settings in braces, and the setups to choose from."""

    name: str
    command: Sequence[str | Path]
    setups: Sequence[Setup]
    packages: Sequence[str] = ()
    stop_signal: int = signal.SIGTERM

    @property
    def python(self) -> Path:
        """The Python that it runs with."""
        return Path(self.command[0]).with_name("python")


@dataclass(frozen=True, slots=True)
class Launch:
    """A contender in one setup, with the settings that it shares with the others."""

    contender: Contender
    setup: Setup
    shared: Setup
    folder: Path

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Run it on a free port during a block."""
        address = Address("127.0.0.1", _find_free_port())
        port = str(address.port)
        settings = {**self.shared, **self.setup, "PEERS": str(PEERS)}
        settings |= {"PORT": port, "TOPFIVE_PORT": port}
        command = [str(part).format_map(settings) for part in self.contender.command]
        stop_signal = self.contender.stop_signal
        with running(
            command, settings, self.folder, lambda _: address, stop_signal=stop_signal
        ) as server:
            yield server


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_healthy(address: Address) -> bool:
    """Say whether /health, which every contender has, answers with 200."""
    try:
        return ask(address, "/health")[0] == 200
    except OSError:
        return False


def describe_setup(setup: Setup) -> str:
    """Put a setup in words."""
    words = [f"{name.lower().replace('_', ' ')} {value}" for name, value in setup.items()]
    return ", ".join(words) or "as it comes"


def list_contenders(topfive: Path, cores: int) -> list[Contender]:
    """List topfive, which is not tuned, and the peers, each with its environment made."""
    return [
        Contender("topfive", [topfive, "serve"], [{}], PACKAGES),
        _litserve(cores),
        _flask_openvino(cores),
        _flask_torch(cores),
    ]


def _litserve(cores: int) -> Contender:
    python = make_environment("litserve", borrows=False)
    packages = ("litserve", "fastapi", "uvicorn", "openvino", "pillow", "numpy")
    return Contender(
        "LitServe",
        [python, "{PEERS}/litserve_app.py"],
        _list_litserve_setups(cores),
        packages,
        # Its inference workers outlive it when it is told to end by SIGTERM.
        signal.SIGINT,
    )


def _list_litserve_setups(cores: int) -> list[Setup]:
    """Inference workers, HTTP processes, and threads of one inference, 1 to all cores."""
    numbers = [
        (cores, cores, 1),
        (cores + 1, cores, 1),
        (2 * cores, cores, 1),
        (cores, 1, 1),
        *((max(1, cores // threads), cores, threads) for threads in _powers_of_two(cores)),
    ]
    return [
        {
            "WORKERS": str(workers),
            "API_SERVERS": str(api_servers),
            "THREADS": str(threads),
            "FAST_QUEUE": fast_queue,
        }
        for workers, api_servers, threads in numbers
        for fast_queue in ("no", "yes")
    ]


def _flask_openvino(cores: int) -> Contender:
    python = make_environment("flask-openvino", borrows=True)
    setups = [
        {
            "WORKERS": str(cores),
            "GUNICORN_THREADS": str(threads),
            "STREAMS": str(streams),
            "THREADS": "1",
        }
        for threads, streams in sorted({(1, 1), (2, 1), (4, 1), (4, min(4, cores))})
    ]
    command = [python, *f"{GUNICORN}flask_openvino_app:app".split()]
    packages = ("flask", "gunicorn", "openvino", "pillow", "numpy")
    return Contender("Flask with OpenVINO", command, setups, packages)


def _flask_torch(cores: int) -> Contender:
    python = make_environment("flask-torch", borrows=True)
    # The last is what torch does by itself.
    threads = sorted({(1, 1), (4, 1), (4, cores)})
    setups = [
        {"WORKERS": str(cores), "GUNICORN_THREADS": str(gunicorn), "THREADS": str(torch)}
        for gunicorn, torch in threads
    ]
    command = [python, *f"{GUNICORN}flask_torch_app:app".split()]
    packages = ("flask", "gunicorn", "torch", "torchvision", "pillow", "numpy")
    return Contender("Flask with torch", command, setups, packages)


def _powers_of_two(highest: int) -> list[int]:
    """List 2, 4, 8 and so on up to a number."""
    return [1 << bits for bits in range(1, highest.bit_length()) if 1 << bits <= highest]


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))
