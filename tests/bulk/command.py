"""`topfive bulk` as a person runs it, and what is found in its results."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

TOPFIVE = Path(sys.executable).parent / "topfive"
TIMEOUT_S = 300


def environment(**changes: str) -> dict[str, str]:
    """Leave out what the tests' own environment would decide: the embedded model answers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOPFIVE_")}
    return kept | {"TOPFIVE_MODEL": "digits", "TOPFIVE_LOG_LEVEL": "info"} | changes


def run_bulk(*arguments: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run `topfive bulk` to its end; `changes` are environment variables."""
    return subprocess.run(
        [TOPFIVE, "bulk", *map(str, arguments)],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def read_rows(results: Path) -> list[dict[str, Any]]:
    """Read all rows of a run in Parquet, shard by shard."""
    parts = sorted(results.glob("part-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]
