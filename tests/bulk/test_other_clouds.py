"""Pictures in Google's and Azure's object stores, where their libraries are installed."""

from collections.abc import Iterator

import pytest

from tests.bulk.cloud_servers import run_azure, run_google
from tests.store_servers import FaultyServer, answering
from tests.unit.bulk.inputs.places import contents, entries_of
from topfive.bulk.inputs import buckets
from topfive.errors import BulkRefused

NAMES = [
    "photos/a b+c%.jpg",
    "photos/a.jpg",
    "photos/a/b.PNG",
    "photos/empty.jpg",
    "photos/line\nbreak#1?.jpg",
    "photos/sub//twice.gif",
    "photos/\u00e9.jpg",
    "photos/\U0001f600.webp",
]
OBJECTS = {one: one.encode() for one in [*NAMES, "photos/", "photos/x.txt", "photos2/z.jpg"]}
OBJECTS["photos/empty.jpg"] = b""


@pytest.fixture(params=["gs", "az"])
def cloud(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, FaultyServer]]:
    """One cloud's scheme and server, with pictures in `pics`."""
    monkeypatch.setattr(buckets, "sleep", lambda _: None)
    pytest.importorskip({"gs": "gcsfs", "az": "adlfs"}[request.param])
    with (run_google if request.param == "gs" else run_azure)(OBJECTS) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING",
            "DefaultEndpointsProtocol=http;AccountName=account;AccountKey=c2VjcmV0;"
            f"BlobEndpoint={server.url}/account;",
        )
        yield request.param, server


def test_every_object_is_listed_and_read(cloud: tuple[str, FaultyServer]) -> None:
    """Page by page, in the order of their names, which nothing changes; empty ones too."""
    scheme, _ = cloud
    found = entries_of(f"{scheme}://pics/photos")
    assert [one.name for one in found] == [f"{scheme}://pics/{key}".encode() for key in NAMES]
    assert [one.size_bytes for one in found] == [len(OBJECTS[key]) for key in NAMES]
    assert {len(one.stamp) > 0 for one in found} == {True}
    assert contents(found) == [OBJECTS[key] for key in NAMES]
    assert contents(found, max_bytes=3) == [OBJECTS[key][:4] for key in NAMES]


def test_what_is_missing_or_refused_is_told(cloud: tuple[str, FaultyServer]) -> None:
    """One object is a row; a bucket is a mistake."""
    scheme, server = cloud
    (one,) = [one for one in entries_of(f"{scheme}://pics/photos") if one.name.endswith(b"/a.jpg")]
    server.break_path("a.jpg", answering(403, x_ms_error_code="AuthorizationFailure"))
    assert "refuses access" in str(contents([one])[0])
    server.break_path("a.jpg", answering(404, x_ms_error_code="BlobNotFound"))
    assert "There is nothing at" in str(contents([one])[0])
    server.break_path("pics", answering(403, x_ms_error_code="AuthorizationFailure"))
    with pytest.raises(BulkRefused, match="refuses access"):
        entries_of(f"{scheme}://pics/photos")
    server.break_path("pics", answering(404, x_ms_error_code="ContainerNotFound"))
    with pytest.raises(BulkRefused, match="There is nothing at"):
        entries_of(f"{scheme}://pics/photos")
