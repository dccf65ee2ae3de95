"""Measure how fast the pictures of a bulk run are listed, and in how much memory.

python benchmarks/bulk_inputs.py --count 1000000 --folder /dev/shm

Lists, tables and folders of so many names are made below the folder and deleted at the end. Each
is listed twice in a process of its own: alone, and into the files that a run writes. Reading is
measured of tables alone, the one place where it is more than what the disk does.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.bulk.inputs.entries import Entry, InputDigest
from topfive.bulk.inputs.list_files import write_input_list
from topfive.bulk.inputs.listing import list_entries
from topfive.bulk.inputs.reading import open_reader
from topfive.bulk.inputs.source import parse_source
from topfive.bulk.results.folder import open_results
from topfive.images.limits import ImageLimits

SHARD_PICTURES = 1000
PICTURE_BYTES = 100_000
TABLE_PICTURES = 20_000


def make_names(count: int) -> Iterator[str]:
    """Make names as photos have them."""
    return (f"photos/{number // 1000:06}/IMG_{number:010}.jpg" for number in range(count))


def make_list(path: Path, count: int) -> None:
    """Write a list of names, one a line."""
    with path.open("w") as file:
        file.writelines(f"{name}\n" for name in make_names(count))


def make_json_list(path: Path, count: int) -> None:
    """Write a list of JSON strings."""
    with path.open("w") as file:
        file.writelines(f"{json.dumps(name)}\n" for name in make_names(count))


def make_names_table(path: Path, count: int) -> None:
    """Write a table with a column of names."""
    pq.write_table(pa.table({"url": list(make_names(count))}), path, row_group_size=100_000)


def make_bytes_table(path: Path, count: int) -> None:
    """Write a table with a column of bytes, which listing does not read."""
    pq.write_table(pa.table({"image": [b"x"] * count}), path, row_group_size=100_000)


def make_folders(path: Path, count: int) -> None:
    """Make empty files, a thousand a folder."""
    for number, name in enumerate(make_names(count)):
        file = path / name
        if number % 1000 == 0:
            file.parent.mkdir(parents=True)
        file.touch()


def make_one_folder(path: Path, count: int) -> None:
    """Make empty files in one folder."""
    path.mkdir()
    for number in range(count):
        (path / f"IMG_{number:010}.jpg").touch()


MAKERS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "a list, a name a line": ("list.txt", make_list),
    "a list of JSON strings": ("list.ndjson", make_json_list),
    "Parquet, names": ("names.parquet", make_names_table),
    "Parquet, bytes": ("bytes.parquet", make_bytes_table),
    "folders of 1,000 files": ("folders", make_folders),
    "one folder": ("folder", make_one_folder),
}


def memory_kib(what: str) -> int:
    """Tell what this process has of memory, or has had at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(one for one in lines if one.startswith(f"{what}:")).split()[1])


def measure(place: str, out: str) -> dict[str, float]:
    """List a place, into a run's files where there is a folder for them."""
    before_kib = memory_kib("VmRSS")
    began_s = perf_counter()
    entries = list_entries(parse_source(place))
    if out:
        count = write_input_list(open_results(out), entries, SHARD_PICTURES).pictures
    else:
        count = digest_all(entries)
    took_s = perf_counter() - began_s
    grown_kib = memory_kib("VmHWM") - before_kib
    written = sum(one.stat().st_size for one in Path(out).rglob("*.parquet")) if out else 0
    return {"count": count, "took_s": took_s, "grown_mib": grown_kib / 1024, "bytes": written}


def digest_all(entries: Iterator[Entry]) -> int:
    """Take the digest of a list, as going on with a run does; return how many there are."""
    digest = InputDigest()
    for entry in entries:
        digest.add(entry)
    return digest.count


def measure_table(path: Path, rows_a_group: int) -> dict[str, float]:
    """Read all pictures of a table of bytes, in order."""
    column = pa.array([bytes([number % 256]) * PICTURE_BYTES for number in range(100)])
    with pq.ParquetWriter(path, pa.schema({"image": pa.binary()}), compression="none") as writer:
        table = pa.table({"image": pa.chunked_array([column] * (rows_a_group // 100))})
        for _ in range(TABLE_PICTURES // rows_a_group):
            writer.write_table(table, row_group_size=rows_a_group)
    return measure_apart("--read", str(path))


def read_all(place: str) -> dict[str, float]:
    """Read every picture of a place."""
    reader = open_reader(ImageLimits())
    entries = list(list_entries(parse_source(place)))
    before_kib = memory_kib("VmRSS")
    began_s = perf_counter()
    for entry in entries:
        reader.read(entry)
    took_s = perf_counter() - began_s
    grown_kib = memory_kib("VmHWM") - before_kib
    return {"count": len(entries), "took_s": took_s, "grown_mib": grown_kib / 1024}


def measure_reads(name: str) -> float:
    """Read one picture 300 times; return this process's CPU time for each, in milliseconds."""
    reader = open_reader(ImageLimits())
    (entry,) = list_entries(parse_source(name))
    for _ in range(20):
        reader.read(entry)
    began_s = process_time()
    for _ in range(300):
        reader.read(entry)
    return (process_time() - began_s) / 300 * 1000


def measure_apart(*arguments: str) -> dict[str, float]:
    """Measure in a process of its own, whose memory is its own too."""
    command = [sys.executable, __file__, *arguments]
    found: dict[str, float] = json.loads(subprocess.check_output(command))
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--cpu", metavar="PICTURE", help="only: the CPU time of reading this one")
    parser.add_argument("--measure", nargs=2, metavar=("PLACE", "OUT"), help=argparse.SUPPRESS)
    parser.add_argument("--read", metavar="PLACE", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.cpu:
        print(f"{measure_reads(chosen.cpu):.2f} ms")
    elif chosen.measure:
        print(json.dumps(measure(*chosen.measure)))
    elif chosen.read:
        print(json.dumps(read_all(chosen.read)))
    else:
        with TemporaryDirectory(dir=chosen.folder) as folder:
            report(Path(folder), chosen.count)


def report(folder: Path, count: int) -> None:
    """Make each place, list it, and delete it."""
    print("| what | listed, s | names/s | listed and written, s | bytes a name | memory, MiB |")
    print("|---|---|---|---|---|---|")
    for name, (file, make) in MAKERS.items():
        make(folder / file, count)
        alone = measure_apart("--measure", str(folder / file), "")
        out = folder / f"out-{file}"
        written = measure_apart("--measure", str(folder / file), str(out))
        assert alone["count"] == written["count"] == count
        print(
            f"| {name} | {alone['took_s']:.1f} | {count / alone['took_s']:,.0f} | "
            f"{written['took_s']:.1f} | {written['bytes'] / count:.1f} | "
            f"{max(alone['grown_mib'], written['grown_mib']):.0f} |",
            flush=True,
        )
        subprocess.run(["rm", "-r", folder / file, out], check=True)
    print(f"\n| {TABLE_PICTURES:,} pictures of 100 kB in groups of | read, s | memory, MiB |")
    print("|---|---|---|")
    for rows in (1000, TABLE_PICTURES):
        found = measure_table(folder / "pictures.parquet", rows)
        print(f"| {rows:,} rows | {found['took_s']:.1f} | {found['grown_mib']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
