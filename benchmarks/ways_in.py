"""Measure the ways to send a picture beside each other: /predict, /v2 and /invocations.

python benchmarks/ways_in.py --weights FILE --photos DIR

All are asked in turn, several times over, of one server: a ratio is that of two medians of one run.
"""

import argparse
import base64
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from closed_loop import ClosedLoop, LoopLimits
from process_tree import read_tree, total_cpu_ms
from server import Server, ServerPlan, serving
from uploads import (
    DEFAULT_PHOTOS,
    DEFAULT_WEIGHTS,
    Address,
    ask_json,
    build_request,
    list_photos,
)

LENGTH_HEADER = "Inference-Header-Content-Length"
SIDE = 224
CLIENTS = 10
WARMUP_S = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rounds, and how many seconds each way is asked in one."""

    rounds: int
    seconds: float


def post(address: Address, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Build a whole POST."""
    told = {"Host": f"{address.host}:{address.port}", "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def infer(address: Address, model: str, tensor: dict[str, object], data: bytes) -> bytes:
    """Build an inference request with its tensor behind the JSON, or in it without `data`."""
    if data:
        tensor = tensor | {"parameters": {"binary_data_size": len(data)}}
    text = json.dumps({"inputs": [tensor]}).encode()
    headers = {LENGTH_HEADER: str(len(text))} if data else {}
    return post(address, f"/v2/models/{model}/infer", text + data, headers)


def infer_bytes(address: Address, model: str, photo: Path) -> bytes:
    """Build an inference request of one encoded picture as bytes."""
    data = photo.read_bytes()
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES"}
    return infer(address, model, tensor, len(data).to_bytes(4, "little") + data)


def infer_base64(address: Address, model: str, photo: Path) -> bytes:
    """Build the same in JSON."""
    text = base64.b64encode(photo.read_bytes()).decode()
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}
    return infer(address, model, tensor, b"")


def infer_pixels(address: Address, model: str, photo: Path) -> bytes:
    """Build an inference request of prepared pixels: nothing is decoded, and more is sent."""
    with Image.open(photo) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((SIDE, SIDE)), np.uint8)
    tensor = {"name": "pixels", "shape": [1, SIDE, SIDE, 3], "datatype": "UINT8"}
    return infer(address, model, tensor, pixels.tobytes())


def raw(path: str) -> Callable[[Address, str, Path], bytes]:
    """Make a builder of requests whose body is the picture."""

    def build(address: Address, _model: str, photo: Path) -> bytes:
        return post(address, path, photo.read_bytes(), {"Content-Type": "image/jpeg"})

    return build


WAYS: dict[str, Callable[[Address, str, Path], bytes]] = {
    "/predict, a form": lambda address, _model, photo: build_request(photo, address),
    "/predict, the bytes": raw("/predict"),
    "/invocations, the bytes": raw("/invocations"),
    "/v2, BYTES behind the JSON": infer_bytes,
    "/v2, BYTES in JSON": infer_base64,
    "/v2, UINT8 behind the JSON": infer_pixels,
}


@dataclass(slots=True)
class Measured:
    """What the rounds of one way have found: pictures a second, and the server's CPU for one."""

    rates_per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def measure(server: Server, model: str, photos: list[Path], plan: Plan) -> dict[str, Measured]:
    """Ask in turn, round by round; the first round only warms up."""
    requests = {
        way: [build(server.address, model, one) for one in photos] for way, build in WAYS.items()
    }
    measured = {way: Measured() for way in WAYS}
    for number, way in product(range(plan.rounds + 1), WAYS):
        limits = LoopLimits(CLIENTS, 10**6, plan.seconds if number else WARMUP_S)
        before_ms = total_cpu_ms(read_tree(server.process.pid))
        result = ClosedLoop(server.address, requests[way], limits).run()
        used_ms = total_cpu_ms(read_tree(server.process.pid)) - before_ms
        if result.errors:
            sys.exit(f"{way}: {dict(result.errors)}")
        if number:
            measured[way].rates_per_s.append(result.throughput_per_s)
            measured[way].cpu_ms.append(used_ms / len(result.latencies_ms))
    return measured


def report(measured: Mapping[str, Measured]) -> None:
    """Print a table of medians, and each beside that of the first way."""
    first = next(iter(measured.values()))
    rate_per_s, cpu_ms = statistics.median(first.rates_per_s), statistics.median(first.cpu_ms)
    print("| way in | pictures/s | to the first | CPU ms a picture | to the first |")
    print("|---|---|---|---|---|")
    for way, found in measured.items():
        rate, cpu = statistics.median(found.rates_per_s), statistics.median(found.cpu_ms)
        print(f"| {way} | {rate:.0f} | {rate / rate_per_s:.2f} | {cpu:.2f} | {cpu / cpu_ms:.2f} |")


def main() -> None:
    """Start a server and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        settings = {
            "TOPFIVE_HOST": "127.0.0.1",
            "TOPFIVE_PORT": "0",
            "TOPFIVE_RATE_LIMIT": "",
            "TOPFIVE_WEIGHTS": str(args.weights.resolve()),
            "TOPFIVE_MODELS_DIR": str(Path(folder) / "models"),
        }
        script = Path(sys.executable).with_name("topfive")
        with serving(ServerPlan(script, settings, Path(folder))) as server:
            server.wait_until(lambda address: ask_json(address, "/health")["model_loaded"])
            model = ask_json(server.address, "/health")["model"]
            photos = [
                one for one in list_photos(args.photos) if one.suffix in (".jpg", ".jpeg", ".JPEG")
            ]
            report(measure(server, model, photos[:100], Plan(args.rounds, args.seconds)))


if __name__ == "__main__":
    main()
