"""Measure what a model store costs the start: no store, a warm cache, an empty one.

python benchmarks/store_start.py --weights FILE.pth

The stores are a directory, a web server and moto's S3 server, all on this machine.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from threading import Thread
from time import sleep
from urllib.request import Request, urlopen

from report import Figure, Report, describe_machine, describe_versions, format_markdown
from server import ServerPlan, clean_environment, is_ready, serving
from uploads import DEFAULT_WEIGHTS, REPOSITORY

MODEL = "flowers@1.0.0"
LOCAL = "127.0.0.1"
KEY = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NOTES = (
    "Seconds from the start of the process to the first 200 of /readyz, with one worker.",
    "Warm: the bundle lies in the models directory, and the store is listed in the background.",
    "Cold: the models directory is empty; the bundle is listed, downloaded, checked and written.",
    "Commands run in a process of their own, as the server starts it; MB are its largest size.",
    "All is in the page cache, and the stores share the machine's cores with the server.",
)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def web_server(root: Path) -> Iterator[str]:
    """Serve a directory as any web server does; gives its URL."""
    server = ThreadingHTTPServer((LOCAL, 0), partial(Quiet, directory=str(root)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOCAL}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's S3 with a bucket `models`; gives its URL."""
    with socket() as probe:
        probe.bind((LOCAL, 0))
        port = probe.getsockname()[1]
    url = f"http://{LOCAL}:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", LOCAL, "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        make_bucket(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def make_bucket(url: str) -> None:
    """Make the bucket as soon as the server answers."""
    credential = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request"
    headers = {"Authorization": f"{credential}, SignedHeaders=host, Signature=0"}
    while True:
        try:
            urlopen(Request(f"{url}/models", headers=headers, method="PUT"), timeout=5).close()
        except OSError:
            sleep(0.1)
        else:
            return


def run(arguments: list[str], settings: Mapping[str, str], folder: Path) -> tuple[float, float]:
    """Run a topfive command; returns its CPU seconds and its largest resident size in MB."""
    process = subprocess.Popen(
        [sys.executable, "-m", "topfive", *arguments],
        cwd=folder,
        env=clean_environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"`topfive {' '.join(arguments)}` ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure_start(settings: Mapping[str, str], models_dir: Path | None) -> float:
    """Start once in an empty folder, with a copy of `models_dir`; returns the seconds."""
    script = Path(sys.executable).with_name("topfive")
    with TemporaryDirectory() as name:
        folder = Path(name)
        if models_dir:
            shutil.copytree(models_dir, folder / "models")
        with serving(ServerPlan(script, settings, folder)) as server:
            return server.wait_until(is_ready)


def measure_stores(stores: Mapping[str, str], models_dir: Path, repeats: int) -> list[Figure]:
    """Measure no store, then each store warm and cold, in turn."""
    base = {"TOPFIVE_MODEL": MODEL, "TOPFIVE_WORKERS": "1", "TOPFIVE_HOST": LOCAL,
            "TOPFIVE_PORT": "0"}  # fmt: skip
    seconds: dict[str, list[float]] = {"start without a store, s": []}
    for _ in range(repeats):
        seconds["start without a store, s"].append(measure_start(base, models_dir))
        for kind, address in stores.items():
            settings = base | {"TOPFIVE_MODEL_STORE": address}
            for state, source in (("warm", models_dir), ("cold", None)):
                found = seconds.setdefault(f"start with {kind}, {state}, s", [])
                found.append(measure_start(settings, source))
    return [Figure(name, values, digits=2) for name, values in seconds.items()]


def measure_commands(stores: Mapping[str, str], folder: Path, repeats: int) -> list[Figure]:
    """Measure the CPU time and memory of listing and fetching."""
    figures = []
    for kind, address in stores.items():
        for words, arguments in (
            ("listing", ["models", "available", address]),
            ("fetching", ["models", "fetch", MODEL, "--store", address]),
        ):
            found = []
            for number in range(repeats):
                models_dir = folder / f"{kind}-{words}-{number}".replace(" ", "-")
                found.append(run(arguments, {"TOPFIVE_MODELS_DIR": str(models_dir)}, folder))
            cpu_s, memory_mb = zip(*found, strict=True)
            figures.append(Figure(f"{words} from {kind}, CPU s", cpu_s, digits=2))
            figures.append(Figure(f"{words} from {kind}, MB", memory_mb, digits=0))
    return figures


def measure(weights: Path, repeats: int) -> list[Figure]:
    """Make a bundle, push it into each store and measure."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        models_dir, shared = folder / "made", folder / "shared"
        url = stack.enter_context(s3_server())
        os.environ.update(KEY | {"AWS_ENDPOINT_URL": url})
        run(["pull", "mobilenet_v2", "--weights", str(weights), "--name", "flowers", "--version",
             "1.0.0", "--models-dir", str(models_dir)], {}, folder)  # fmt: skip
        bundle = str(models_dir / "flowers" / "1.0.0")
        shared.mkdir()
        stores = {
            "a directory": str(shared),
            "a web server": stack.enter_context(web_server(shared)),
            "S3": "s3://models/team",
        }
        for address in (str(shared), "s3://models/team"):
            run(["models", "push", bundle, address], {}, folder)
        (models_dir / ".pull.lock").unlink(missing_ok=True)
        starts = measure_stores(stores, models_dir, repeats)
        return starts + measure_commands(stores, folder, repeats)


def main() -> None:
    """Read the options, measure and write the report."""
    now = datetime.now(UTC)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS)
    parser.add_argument("--repeats", type=int, default=5)
    default = REPOSITORY / "benchmarks" / "results" / f"{now:%Y-%m-%d}-store-start.md"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    facts = describe_machine() | describe_versions(
        Path(sys.executable), ("topfive", "s3fs", "moto", "openvino")
    )
    report = Report(
        title="The start with a model store",
        date=f"{now:%Y-%m-%d}",
        command=f"python benchmarks/store_start.py --repeats {options.repeats}",
        facts=facts | {"model": "MobileNetV2 with ImageNet's weights"},
        figures=measure(options.weights, options.repeats),
        notes=NOTES,
    )
    options.out.write_text(format_markdown(report), encoding="utf-8")
    print(shlex.quote(str(options.out)))


if __name__ == "__main__":
    main()
