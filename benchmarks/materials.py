"""What every part of the soak starts from: the server to run, its data, and how much to ask."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closed_loop import ClosedLoop, LoopLimits
from server import Server, ServerPlan, is_ready, serving
from uploads import Address, ask_json, build_request, list_photos

WARM_UP = LoopLimits(clients=10, requests=100, duration_s=60)
DESCRIBED = ("engine", "precision", "workers", "slots", "queue")


@dataclass(frozen=True, slots=True)
class Extent:
    """How long and how often the parts measure."""

    repeats: int = 3
    load_s: float = 8.0
    calm_s: float = 10.0
    attack_s: float = 60.0
    requests: int = 20_000


# To try the scripts out; the figures mean little.
QUICK = Extent(repeats=1, load_s=3.0, calm_s=3.0, attack_s=15.0, requests=4_000)


@dataclass(frozen=True, slots=True)
class Materials:
    """Where the server, the weights and the pictures are, and a folder to work in."""

    script: Path
    weights: Path
    photos: Path
    hostile: Path
    folder: Path
    extent: Extent

    @contextmanager
    def serving(self, name: str, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
        """Run a server during a block, warm and without a rate limit; its log lies in `name`."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        common = {
            "TOPFIVE_WEIGHTS": str(self.weights),
            "TOPFIVE_MODELS_DIR": str(self.folder / "models"),
            "TOPFIVE_HOST": "127.0.0.1",
            "TOPFIVE_PORT": "0",
            "TOPFIVE_RATE_LIMIT": "",
        }
        with serving(ServerPlan(self.script, common | dict(settings or {}), folder)) as server:
            server.wait_until(is_ready)
            ClosedLoop(server.address, self.requests(server.address), WARM_UP).run()
            yield server

    def requests(self, address: Address) -> list[bytes]:
        """Build the uploads of all photos."""
        return [build_request(photo, address) for photo in list_photos(self.photos)]


def describe(server: Server) -> str:
    """Tell which model the server serves and how it is set up."""
    info: dict[str, Any] = ask_json(server.address, "/info")
    known = info["model"] | info
    facts = ", ".join(f"{name} {known[name]}" for name in DESCRIBED if name in known)
    return f"{info['model']['name']}: {facts}."
