"""The manifest of a run: what it is about, with which model, and how far it has come."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from topfive import __version__
from topfive.bulk.results.contract import RUN_FOLDER, ResultsFolder
from topfive.bulk.results.finished import Totals
from topfive.bulk.results.formats import ResultFormat
from topfive.errors import BulkRefused

MANIFEST_VERSION = 1
MANIFEST_FILE = f"{RUN_FOLDER}/manifest.json"


class RunState(StrEnum):
    """How far a run is. `listing`: its pictures are being listed, and nothing is classified yet."""

    LISTING = "listing"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class RunModel:
    """Which model a run uses; another engine or precision may give other answers."""

    name: str
    version: str
    digest: str
    engine: str
    precision: str


@dataclass(frozen=True, slots=True)
class RunInput:
    """Where a run's pictures are, without secrets, and what that is (`kind`).

    How many pictures and shards there are, and the digest of their list, is known once they are
    listed; before, they are None and empty.
    """

    source: str
    kind: str
    pictures: int | None = None
    shards: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is to do.

    `limits` are those of pictures, by their names (`max_bytes`, `max_pixels`): with other limits
    other pictures are refused.
    """

    source: str
    kind: str
    model: RunModel
    format: ResultFormat = ResultFormat.PARQUET
    shard_pictures: int = 1000
    limits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is told of a run; times are UTC, ISO 8601. `reason` is why it stopped, if it did.

    `totals` are those of the moment of its last change.
    """

    format_version: int
    run_id: str
    created_at: str
    updated_at: str
    state: RunState
    made_by: dict[str, str]
    model: RunModel
    limits: dict[str, int]
    input: RunInput
    shard_pictures: int
    format: ResultFormat
    totals: Totals
    reason: str = ""

    def at(self, state: RunState, **changes: Any) -> "Manifest":
        """Make the manifest of a later moment."""
        return replace(self, state=state, updated_at=_now(), **{"reason": "", **changes})


_MANIFEST = TypeAdapter(Manifest)


def new_manifest(plan: RunPlan) -> Manifest:
    """Make the manifest of a run that begins now."""
    now = _now()
    return Manifest(
        format_version=MANIFEST_VERSION,
        run_id=uuid4().hex,
        created_at=now,
        updated_at=now,
        state=RunState.LISTING,
        made_by={"topfive": __version__, "ray": version("ray")},
        model=plan.model,
        limits=plan.limits,
        input=RunInput(plan.source, plan.kind),
        shard_pictures=plan.shard_pictures,
        format=plan.format,
        totals=Totals(),
    )


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as JSON."""
    return _MANIFEST.dump_json(manifest, indent=2) + b"\n"


def read_manifest(folder: ResultsFolder) -> Manifest | None:
    """Read the manifest of a folder; None if it has none.

    Raises BulkRefused if it is damaged, or of a version of topfive that this one does not read.
    """
    where = f"{folder.shown}/{MANIFEST_FILE}"
    try:
        content = folder.read(MANIFEST_FILE)
    except FileNotFoundError:
        return None
    _require_version(content, where)
    try:
        return _MANIFEST.validate_json(content)
    except ValidationError as error:
        raise BulkRefused(
            f"{where} is damaged: {error.error_count()} of its values cannot be read. Name "
            "another folder for the results."
        ) from error


def _require_version(content: bytes, where: str) -> None:
    try:
        told = json.loads(content)
        found = int(told["format_version"])
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise BulkRefused(
            f"{where} is damaged, or not of `topfive bulk`. Name another folder for the results."
        ) from error
    if found != MANIFEST_VERSION:
        raise BulkRefused(
            f"{where} is of another version of topfive (layout {found}, this one reads "
            f"{MANIFEST_VERSION}). Go on with that version, or name another folder for the results."
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
