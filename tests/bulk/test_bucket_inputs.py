"""Pictures in S3: every object once, in order, and what is told where the store does not answer."""

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import store_servers
from tests.bulk.input_servers import run_s3
from tests.store_servers import FaultyServer, answering, before, cut_off, stall
from tests.unit.bulk.inputs.places import contents, entries_of
from topfive.bulk.inputs import bucket_requests, buckets, listing, reading
from topfive.bulk.inputs.buckets import Buckets, parse_object
from topfive.bulk.inputs.unreadable import Unreadable
from topfive.errors import BulkRefused, BulkStopped
from topfive.stores.contract import StoreLimits

NAMES = [
    "photos/a.jpg",
    "photos/a/b.PNG",
    "photos/a b+c%.jpg",
    "photos/sub//twice.gif",
    "photos/\U0001f600.webp",
    "photos/\u00e9.jpg",
]
OTHERS = ["photos/", "photos/notes.txt", "photos2/z.jpg", "single.jpg", "empty.jpg", "lists/l.txt"]
PATIENCE = StoreLimits(connect_s=2, stall_s=0.7, listing_s=3, min_bytes_per_s=1_000_000)


def table_of(images: list[bytes]) -> bytes:
    """Make a Parquet file of pictures' bytes."""
    file = io.BytesIO()
    pq.write_table(pa.table({"image": images}), file, row_group_size=20)
    return file.getvalue()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """S3 with pictures, lists and tables in the bucket `pics`."""
    objects = {one: one.encode() for one in NAMES + OTHERS}
    objects |= {
        "empty.jpg": b"",
        "lists/l.txt": b"../ignored\ns3://pics/photos/a.jpg\nhere.jpg\n",
        "lists/here.jpg": b"here",
        "tables/1.parquet": table_of([b"picture %d" % number for number in range(50)]),
        "tables/2.parquet": table_of([b"picture %d" % number for number in range(50, 100)]),
        "tables/_SUCCESS": b"",
        "large.jpg": bytes(3_000_000),
    }
    with run_s3("pics", objects) as url:
        store_servers.make_bucket(url, "many")
        for number in range(10):
            store_servers.put_object(url, f"many/{number:05}.jpg", b"x")
        yield url


@pytest.fixture(scope="module")
def way(moto: str) -> Iterator[FaultyServer]:
    """The way to S3, which all tests take."""
    with before(moto) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@pytest.fixture(scope="module")
def client(way: FaultyServer) -> Buckets:
    """One client for all: making one takes longer than what most tests do with it."""
    assert way.url
    return Buckets()


@pytest.fixture(scope="module")
def hasty(way: FaultyServer) -> Buckets:
    """One that waits no longer than a test can."""
    assert way.url
    return Buckets(PATIENCE)


@pytest.fixture(autouse=True)
def s3(
    way: FaultyServer, client: Buckets, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyServer]:
    """S3, whose answers can go wrong, in pages of four objects; nobody waits between attempts."""
    monkeypatch.setattr(buckets, "sleep", lambda _: None)
    monkeypatch.setattr(bucket_requests, "_PAGE_OBJECTS", 4)
    for module in (listing, reading):
        monkeypatch.setattr(module, "Buckets", lambda: client)
    way.seen.clear()
    yield way
    way.faults.clear()


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        ("s3://pics/photos", NAMES),
        ("s3://pics/photos/", NAMES),
        ("s3://pics/photos/a", ["photos/a/b.PNG"]),
        ("s3://pics/single.jpg", ["single.jpg"]),
        ("s3://pics/photos*/?.jpg", ["photos/a.jpg", "photos/\u00e9.jpg", "photos2/z.jpg"]),
        ("s3://pics/**/[a-z].jpg", ["photos/a.jpg", "photos2/z.jpg"]),
        ("s3://pics/photos/n*", ["photos/notes.txt"]),
    ],
)
def test_objects_are_listed_in_the_order_of_their_names(place: str, keys: list[str]) -> None:
    """A folder's pictures, or what a glob means, with names that nobody changed."""
    found = entries_of(place)
    assert [one.name for one in found] == sorted(f"s3://pics/{key}".encode() for key in keys)
    if "notes" not in place:
        assert contents(found) == [key.encode() for key in sorted(keys, key=str.encode)]


def test_sizes_and_etags_are_told() -> None:
    """An object that is written again is another entry."""
    (one,) = entries_of("s3://pics/single.jpg")
    assert one.size_bytes == len(b"single.jpg")
    assert len(one.stamp) == 32


def test_a_bucket_is_listed_page_by_page(s3: FaultyServer) -> None:
    """More objects than one answer holds: each once, and no request for each."""
    found = entries_of("s3://many")
    assert [one.name for one in found] == [f"s3://many/{n:05}.jpg".encode() for n in range(10)]
    assert len(s3.seen) == 3


def test_objects_of_no_and_of_many_bytes_are_read(client: Buckets) -> None:
    """Nothing is nothing, and of too large an object no more comes than shows that it is."""
    names = b"s3://pics/empty.jpg", b"s3://pics/large.jpg"
    assert [client.read(parse_object(one), 1001) for one in names] == [b"", bytes(1001)]


def test_lists_and_tables_lie_in_buckets_too() -> None:
    """Relative names are from the list's folder there; a prefix with a column is one of tables."""
    assert contents(entries_of("s3://pics/lists/l.txt"))[1:] == [b"photos/a.jpg", b"here"]
    table = entries_of("s3://pics/tables/1.parquet")
    assert contents(table) == [b"picture %d" % number for number in range(50)]
    for tables in (entries_of("s3://pics/tables", "image"), entries_of("s3://pics/t*/*.parquet")):
        assert contents(tables) == [b"picture %d" % number for number in range(100)]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s3://pics/nowhere/", "s3://pics/nowhere/ holds no picture"),
        ("s3://pics/photos/a.j", "holds no picture"),
        ("s3://pics/*.bmp", "s3://pics/.*holds no picture"),
        ("s3://missing", "There is nothing at s3://missing"),
        ("s3://pics/lists/none.txt", "There is nothing at s3://pics/lists/none.txt"),
        ("s3://pics/lists/none.parquet", "There is no table with a row at"),
    ],
)
def test_a_place_without_pictures_is_refused(place: str, said: str) -> None:
    """An empty prefix, a missing bucket, a missing list: each is told with its address."""
    with pytest.raises(BulkRefused, match=said):
        entries_of(place)


def test_a_bucket_that_refuses_is_told(s3: FaultyServer) -> None:
    """The message says what to check, and holds nothing of the credentials."""
    s3.break_path("/pics", answering(403))
    with pytest.raises(BulkRefused, match=r"refuses access\. Check the credentials") as got:
        entries_of("s3://pics/photos")
    assert "testing" not in str(got.value)


def test_a_bucket_that_nobody_answers_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no way at all, that is told within seconds."""
    monkeypatch.setattr(listing, "Buckets", Buckets)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(BulkRefused, match="nothing answers there"):
        entries_of("s3://pics/photos")


def test_a_listing_that_stands_still_is_told(
    s3: FaultyServer, hasty: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an answer and then nothing is given up."""
    monkeypatch.setattr(listing, "Buckets", lambda: hasty)
    s3.break_path("/pics", stall)
    with pytest.raises(BulkRefused, match="s3://pics/photos/ cannot be listed"):
        entries_of("s3://pics/photos")


@pytest.mark.parametrize("fault", [answering(503), answering(500), cut_off])
def test_pages_that_fail_are_asked_for_again(s3: FaultyServer, fault: store_servers.Fault) -> None:
    """A store that fails for a moment loses no object of a listing, and repeats none."""
    s3.break_path("continuation-token", fault, times=4)
    names = [one.name for one in entries_of("s3://many")]
    assert names == [f"s3://many/{number:05}.jpg".encode() for number in range(10)]


@pytest.mark.parametrize("fault", [answering(503), cut_off, stall])
def test_a_read_that_fails_is_tried_again(
    s3: FaultyServer, hasty: Buckets, fault: store_servers.Fault
) -> None:
    """Neither an outage of a moment nor a broken connection makes a row of errors."""
    s3.break_path("pics/photos/a.jpg", fault, times=3)
    assert hasty.read(parse_object(b"s3://pics/photos/a.jpg"), 1000) == b"photos/a.jpg"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (answering(404), "There is nothing at s3://pics/photos/a.jpg that can be seen."),
        (answering(403), "s3://pics/photos/a.jpg: the store refuses access."),
        (stall, "s3://pics/photos/a.jpg cannot be used now: it did not answer in time."),
    ],
)
def test_an_object_that_never_comes_is_told(
    s3: FaultyServer, hasty: Buckets, fault: store_servers.Fault, said: str
) -> None:
    """As long as the store itself answers, it is one picture that cannot be read."""
    s3.break_path("pics/photos/a.jpg", fault)
    with pytest.raises(Unreadable) as got:
        hasty.read(parse_object(b"s3://pics/photos/a.jpg"), 1000)
    assert got.value.detail.startswith(said)


def test_an_outage_stops_the_run(s3: FaultyServer, hasty: Buckets) -> None:
    """A store that does not answer at all is no fault of a picture: the run can go on later."""
    s3.break_path("/pics", answering(503))
    with pytest.raises(BulkStopped, match=r"s3://pics/photos/a\.jpg cannot be used now"):
        hasty.read(parse_object(b"s3://pics/photos/a.jpg"), 1000)


def test_credentials_that_end_stop_the_run(s3: FaultyServer, hasty: Buckets) -> None:
    """Credentials that are taken no more would make a row of errors of every picture left."""

    def expired(handler: object, answer: store_servers.Answer, ending: object) -> None:
        body = b"<Error><Code>ExpiredToken</Code><Message>secret</Message></Error>"
        store_servers.send(handler, store_servers.Answer(400, body), ending)  # type: ignore[arg-type]

    s3.break_path("pics/photos/a.jpg", expired)
    with pytest.raises(BulkStopped, match="the store refuses access") as got:
        hasty.read(parse_object(b"s3://pics/photos/a.jpg"), 1000)
    assert "secret" not in str(got.value)


def test_a_table_in_an_outage_stops_the_run(s3: FaultyServer) -> None:
    """Rows of a table that cannot be reached are not told as empty ones."""
    found = entries_of("s3://pics/tables/1.parquet")
    s3.break_path("/pics", answering(503))
    with pytest.raises(BulkStopped, match=r"s3://pics/tables/1\.parquet cannot be used now"):
        contents(found)


def test_a_library_that_is_not_installed_is_told() -> None:
    """The message says what to install."""
    pytest.importorskip("s3fs")
    from topfive.errors import Mistake

    try:
        import gcsfs  # noqa: F401
    except ImportError:
        with pytest.raises(Mistake, match=r"gcsfs.*requirements-gcs.txt"):
            entries_of("gs://bucket/photos")
    assert Path("requirements-gcs.txt").is_file()
