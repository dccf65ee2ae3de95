"""Follow one trace through the whole server: photos over HTTP that are blurred halfway.

python benchmarks/drift_served.py --weights FILE --photos DIR [--blur PIXELS]

Two workers keep a history in SQLite. They are sent variants of the photos, at a steady rate, and
after 2000 of them the same ones blurred. `/metrics` is asked every second, as Prometheus would.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Self

import numpy as np
from PIL import Image, ImageFilter

from drift import SAME, vary
from server import ServerPlan, serving
from uploads import DEFAULT_PHOTOS, DEFAULT_WEIGHTS, Address, ask, ask_json

CLIENTS = 4
RATE = 25
NAME = "photos"
GIVE_UP_AFTER_S = 180.0
SCRIPT = Path(sys.executable).with_name("topfive")
METRICS = ("topfive_drift_psi", "topfive_drift_ks", "topfive_drift_alarm")


def draw_pictures(photos: list[Path], blur_px: int, seed: int) -> Iterator[bytes]:
    """Make variants of the photos, in any order, without end; blurred where that is not 0."""
    random = np.random.default_rng(seed)
    while True:
        photo = Image.open(photos[int(random.integers(len(photos)))]).convert("RGB")
        variant = vary(photo, random)
        file = BytesIO()
        blurred = variant.filter(ImageFilter.GaussianBlur(blur_px)) if blur_px else variant
        blurred.save(file, "JPEG", quality=90)
        yield file.getvalue()


def upload(address: Address, picture: bytes) -> None:
    """Have a picture classified."""
    status, body = ask(address, "/predict", picture, headers={"Content-Type": "image/jpeg"})
    if status != 200:
        raise RuntimeError(f"{status}: {body.decode()}")


def send(
    address: Address, pictures: Iterator[bytes], count: int, is_over: Callable[[], bool]
) -> int:
    """Send pictures at RATE a second until there were enough, or it is over; returns how many."""
    sent = 0
    began_s = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        while sent < count and not is_over():
            time.sleep(max(0.0, began_s + sent / RATE - time.monotonic()))
            batch = [next(pictures) for _ in range(CLIENTS)]
            list(clients.map(lambda one: upload(address, one), batch))
            sent += len(batch)
    return sent


class Scraper:
    """Asks for metrics every second, and notes what they say of drift and whether they alarm."""

    def __init__(self, address: Address) -> None:
        self.told: dict[str, float] = {}
        self.alarm = Event()
        self._address = address
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1):
            _, body = ask(self._address, "/metrics")
            for name in METRICS:
                found = re.search(rf"^{name}\{{.*\}} (\S+)$", body.decode(), re.MULTILINE)
                if found:
                    self.told[name] = float(found[1])
            if self.told.get("topfive_drift_alarm"):
                self.alarm.set()


def follow(address: Address, photos: list[Path], blur_px: int) -> None:
    """Send the trace, and print what was seen when."""
    with Scraper(address) as scraper:
        send(address, draw_pictures(photos, 0, 1), SAME, scraper.alarm.is_set)
        print(f"after {SAME} pictures as they are: {scraper.told}", flush=True)
        began_s = time.monotonic()
        sent = send(
            address, draw_pictures(photos, blur_px, 2), int(GIVE_UP_AFTER_S * RATE),
            scraper.alarm.is_set,
        )  # fmt: skip
        print(f"an alarm {time.monotonic() - began_s:.0f} s and {sent} blurred pictures later: "
              f"{scraper.told}")  # fmt: skip
    (told,) = ask_json(address, f"/models/{NAME}/drift")["versions"]
    print(told["note"])


def main() -> int:
    """Serve, send, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS)
    parser.add_argument("--blur", type=int, default=2)
    asked = parser.parse_args()
    photos = sorted(asked.photos.resolve().glob("*.JPEG"))
    with TemporaryDirectory() as folder:
        settings = {
            "TOPFIVE_MODEL": "mobilenet_v2",
            "TOPFIVE_MODEL_NAME": NAME,
            "TOPFIVE_WEIGHTS": str(asked.weights.resolve()),
            "TOPFIVE_MODELS_DIR": f"{folder}/models",
            "TOPFIVE_HISTORY_URL": f"sqlite:///{folder}/history.db",
            "TOPFIVE_RATE_LIMIT": "",
        }
        with serving(ServerPlan(SCRIPT, settings, Path(folder))) as server:
            follow(server.address, photos, asked.blur)
    return 0


if __name__ == "__main__":
    sys.exit(main())
