"""The photos to send and the HTTP requests that carry them, built once and kept in memory."""

import csv
import json
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_PHOTOS = REPOSITORY / "../shared/photos"
DEFAULT_WEIGHTS = REPOSITORY / "../shared/weights/mobilenet_v2-imagenet.pth"
BOUNDARY = "topfive-benchmark-a81b7c44f0d2"
LOCAL_HOSTS = ("127.0.0.1", "localhost")
PHOTO_SUFFIXES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the measured server listens; always this machine."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo and the ImageNet class it shows."""

    path: Path
    class_id: int


def parse_local_url(url: str) -> Address:
    """Take a server's address from its URL; refuse every host but this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in LOCAL_HOSTS:
        raise ValueError(f"load goes to http://127.0.0.1 or http://localhost only, not to {url!r}")
    return Address("127.0.0.1", parts.port or 80)


def list_photos(folder: Path) -> list[Path]:
    """Find the pictures in a folder, in order of their names."""
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    if not photos:
        raise FileNotFoundError(f"no photos in {folder}")
    return photos


def read_labels(folder: Path) -> list[LabelledPhoto]:
    """Read labels.csv (columns file, class_id, class_name) beside the photos."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return [LabelledPhoto(folder / row["file"], int(row["class_id"])) for row in rows]


def score(
    photos: Sequence[LabelledPhoto], answers: Mapping[str, Sequence[int]]
) -> tuple[float, float]:
    """Compute top-1 and top-5 accuracy (0 to 1)."""
    top_1 = sum(photo.class_id in answers[photo.path.name][:1] for photo in photos)
    top_5 = sum(photo.class_id in answers[photo.path.name][:5] for photo in photos)
    return top_1 / len(photos), top_5 / len(photos)


def build_multipart(photo: Path) -> bytes:
    """Wrap one photo as a multipart body with the part `file`."""
    content_type = mimetypes.guess_type(photo.name)[0] or "application/octet-stream"
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{photo.name}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return head.encode() + photo.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def build_request(photo: Path, address: Address) -> bytes:
    """Build the whole POST /predict of one photo, headers included."""
    body = build_multipart(photo)
    head = (
        "POST /predict HTTP/1.1\r\n"
        f"Host: {address.host}:{address.port}\r\n"
        "Accept: application/json\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def ask(
    address: Address,
    path: str,
    body: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 30,
) -> tuple[int, bytes]:
    """Send one request on a connection of its own; return the status and the body."""
    connection = HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def ask_json(address: Address, path: str) -> dict[str, Any]:
    """Get one JSON document, whatever its status."""
    document = json.loads(ask(address, path)[1])
    if not isinstance(document, dict):
        raise TypeError(f"{path} answered with something other than a JSON object")
    return document


def classify(address: Address, photo: Path) -> Sequence[int]:
    """Upload one photo; return the class ids of the answer, best first, none on a failure."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    status, answer = ask(address, "/predict", build_multipart(photo), headers=headers)
    if status != 200:
        return []
    return [int(one["class_id"]) for one in json.loads(answer)["predictions"]]
