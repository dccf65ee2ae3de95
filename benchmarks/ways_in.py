"""Measure the ways to send a picture beside each other: /predict, /v2 and /invocations.

python benchmarks/ways_in.py --weights FILE --photos DIR

All are asked in turn, several times over, by one server: a ratio is that of two medians of one run.
"""

import argparse
import base64
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from closed_loop import ClosedLoop, LoopLimits
from server import ServerPlan, serving
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


def measure(address: Address, model: str, photos: list[Path], args: argparse.Namespace) -> None:
    """Ask in turn, and print a table of the medians and their ratios to the first."""
    requests = {way: [build(address, model, one) for one in photos] for way, build in WAYS.items()}
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for round_number in range(args.rounds + 1):
        for way in WAYS:
            duration_s = args.seconds if round_number else WARMUP_S
            limits = LoopLimits(CLIENTS, 10**6, duration_s)
            result = ClosedLoop(address, requests[way], limits).run()
            if result.errors:
                sys.exit(f"{way}: {dict(result.errors)}")
            if round_number:
                rates[way].append(result.throughput_per_s)
    first = statistics.median(next(iter(rates.values())))
    print("| way in | pictures/s | of each round | to the first |\n|---|---|---|---|")
    for way, found in rates.items():
        median = statistics.median(found)
        each = ", ".join(f"{one:.0f}" for one in found)
        print(f"| {way} | {median:.0f} | {each} | {median / first:.2f} |")


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
            measure(server.address, model, photos[:100], args)


if __name__ == "__main__":
    main()
