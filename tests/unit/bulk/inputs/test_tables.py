"""Parquet tables of pictures' bytes or names."""

import random
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pytest

from tests.unit.bulk.inputs.places import contents, entries_of, fill, names_in, write_table
from topfive.bulk.inputs.reading import open_reader
from topfive.errors import BulkRefused
from topfive.images.limits import ImageLimits

BYTES = [b"picture %d" % number for number in range(100)]


def test_bytes_are_read_row_by_row(tmp_path: Path) -> None:
    """Each row is a picture, named by table, column and row."""
    table = write_table(tmp_path / "t.parquet", {"image": BYTES, "id": range(100)})
    entries = entries_of(table)
    assert entries[41].name == f"{table}#image[41]".encode()
    assert contents(entries) == BYTES


def test_bytes_within_a_struct_are_read(tmp_path: Path) -> None:
    """`image.bytes` beside `image.path`, as data sets of pictures often have it."""
    images = [{"bytes": one, "path": "x"} for one in BYTES]
    images[7] = None
    table = write_table(tmp_path / "t.parquet", {"image": images})
    for column in ("", "image", "image.bytes"):
        found = contents(entries_of(table, column))
        assert found == [*BYTES[:7], "This row of the table is empty.", *BYTES[8:]]


def test_large_types_and_other_writers(tmp_path: Path) -> None:
    """64-bit offsets and columns of all kinds beside are no matter."""
    columns = {
        "n": pa.array(range(100)),
        "image": pa.array(BYTES, pa.large_binary()),
        "tags": pa.array([["a"]] * 100),
    }
    for name in ("t.pq", "T.PARQUET"):
        assert contents(entries_of(write_table(tmp_path / name, columns))) == BYTES


def test_a_column_of_names_names_files_and_addresses(tmp_path: Path) -> None:
    """Relative ones are from the table's folder; a row without a name is a row all the same."""
    fill(tmp_path, ["photos/a.jpg"])
    table = write_table(tmp_path / "t.parquet", {"url": ["photos/a.jpg", None, "", "s3://b/c.jpg"]})
    found = entries_of(table)
    assert names_in(tmp_path, table) == [
        "photos/a.jpg",
        "t.parquet#url[1]",
        "t.parquet#url[2]",
        "s3://b/c.jpg",
    ]
    assert contents(found[:3]) == [b"photos/a.jpg"] + ["This row of the table is empty."] * 2


def test_a_folder_of_tables_is_read_in_order(tmp_path: Path) -> None:
    """Tables are in the order of their names; what is left over from writers is passed over."""
    write_table(tmp_path / "d/2.parquet", {"image": BYTES[50:]})
    write_table(tmp_path / "d/1.parquet", {"image": BYTES[:50]})
    fill(tmp_path / "d", ["_SUCCESS", "_temporary/x.parquet", ".x.parquet"])
    assert contents(entries_of(tmp_path / "d", "image")) == BYTES
    assert contents(entries_of(tmp_path / "d")) == BYTES
    assert contents(entries_of(tmp_path / "d/*.parquet")) == BYTES


@pytest.mark.parametrize(
    ("columns", "wanted", "said"),
    [
        ({"n": [1]}, "", r"has no column of pictures' bytes or names. Its columns: n \(int64\)"),
        ({"a": [b"1"], "b": [b"2"]}, "", r"several columns .* a \(binary\), b \(binary\)"),
        ({"a": ["1"], "b": ["2"]}, "", "several columns"),
        ({"a": [b"1"]}, "image", "no column 'image'"),
        ({"a": [1], "b": [b"1"]}, "a", "no column 'a'"),
        ({"a": pa.array([], pa.binary())}, "", "no table with a row"),
    ],
)
def test_a_table_without_a_clear_column_is_refused(
    tmp_path: Path, columns: dict[str, list[object]], wanted: str, said: str
) -> None:
    """The message lists the columns there are."""
    table = write_table(tmp_path / "t.parquet", columns)
    with pytest.raises(BulkRefused, match=said):
        entries_of(table, wanted)


@pytest.mark.parametrize("content", [b"", b"no table", b"PAR1" * 20])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is only named like one is told as such."""
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(BulkRefused, match="is no whole Parquet file"):
        entries_of(tmp_path / "t.parquet")


def test_a_table_cut_short_is_refused(tmp_path: Path) -> None:
    """A Parquet file's end says what is in it: without it there is nothing to list."""
    table = write_table(tmp_path / "t.parquet", {"image": BYTES})
    table.write_bytes(table.read_bytes()[:-100])
    with pytest.raises(BulkRefused, match="is no whole Parquet file"):
        entries_of(table)


def test_rows_of_a_table_that_is_damaged_or_gone_are_told(tmp_path: Path) -> None:
    """What lies in the damaged part is a row that says so; so is all once the table is gone."""
    table = write_table(tmp_path / "t.parquet", {"image": BYTES})
    entries = entries_of(table)
    content = bytearray(table.read_bytes())
    content[4:100] = bytes(96)
    table.write_bytes(content)
    found = contents(entries)
    assert found[0] == f"The table {table} cannot be read: it is damaged."
    assert found[-1] == BYTES[-1]
    table.unlink()
    assert "cannot be read: No such file or directory." in str(contents(entries[:1])[0])


def test_a_row_that_is_no_more_there_is_told(tmp_path: Path) -> None:
    """A table that was written again with fewer rows has none of the others."""
    table = write_table(tmp_path / "t.parquet", {"image": BYTES})
    last = entries_of(table)[-1]
    write_table(table, {"image": BYTES[:5]})
    assert contents([last]) == [f"{table} has no such row."]


def test_rows_are_read_in_any_order_and_by_several_threads(tmp_path: Path) -> None:
    """Whoever reads ahead gets each row's own bytes."""
    table = write_table(tmp_path / "t.parquet", {"image": BYTES})
    entries = entries_of(table)
    reader = open_reader(ImageLimits(max_bytes=1000))
    found: dict[int, bytes] = {}

    def read(seed: int) -> None:
        for number in random.Random(seed).sample(range(seed, 100, 4), 25):
            found[number] = reader.read(entries[number])

    threads = [Thread(target=read, args=(seed,)) for seed in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [found[number] for number in range(100)] == BYTES


def test_bytes_over_the_limit_are_cut_off(tmp_path: Path) -> None:
    """One byte more than is allowed shows that they are too many."""
    table = write_table(tmp_path / "t.parquet", {"image": [b"x" * 5000]})
    assert contents(entries_of(table), max_bytes=1000) == [b"x" * 1001]
