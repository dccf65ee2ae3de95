"""The lists of shards, as tasks of Ray read them."""

from pathlib import Path

from topfive.bulk.cluster.pipeline import ListReader
from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.list_files import list_file_name, read_shard, write_input_list
from topfive.bulk.results.folder import open_results

NAME = list_file_name(0)


def test_only_shards_that_are_wanted_are_read(tmp_path: Path) -> None:
    """They come as they were written, names that are no text too."""
    folder = open_results(str(tmp_path))
    entries = [Entry(b"\xff%d\n" % number, number, "t") for number in range(10)]
    write_input_list(folder, entries, 3)
    rows = list(ListReader(folder)({"file": NAME, "shards": [1, 3]}))
    assert [row.pop("problem") for row in rows] == ["", ""]
    shards = [read_shard(row) for row in rows]
    assert [one.first_index for one in shards] == [3, 9]
    assert [entry for one in shards for entry in one.entries] == [*entries[3:6], entries[9]]


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """One that has gone, and one that is cut short: Ray would leave both out without a word."""
    folder = open_results(str(tmp_path))
    (gone,) = ListReader(folder)({"file": NAME, "shards": [0]})
    assert f"The list {NAME} cannot be read" in gone["problem"]
    write_input_list(folder, [Entry(b"a")], 3)
    file = tmp_path / NAME
    file.write_bytes(file.read_bytes()[:-9])
    (cut,) = ListReader(folder)({"file": NAME, "shards": [0]})
    assert "cannot be read" in cut["problem"]
