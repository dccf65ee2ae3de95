"""A bulk run from its options to its results."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from time import monotonic

from topfive import __version__
from topfive.bulk.cluster.model import describe_model, open_model
from topfive.bulk.cluster.plan import WorkPlan
from topfive.bulk.cluster.session import (
    ClusterOptions,
    check_actors,
    check_address,
    connect,
)
from topfive.bulk.inputs.entries import Entry, InputDigest
from topfive.bulk.inputs.list_files import (
    SHARDS_PER_FILE,
    list_file_name,
    read_shards,
    write_input_list,
)
from topfive.bulk.inputs.listing import list_entries
from topfive.bulk.inputs.source import Source, parse_source
from topfive.bulk.interruption import ending_as_by_keyboard
from topfive.bulk.progress import Progress
from topfive.bulk.results.changes import count_changes, refuse_other_list
from topfive.bulk.results.finished import Totals
from topfive.bulk.results.folder import open_results
from topfive.bulk.results.formats import parse_format
from topfive.bulk.results.manifest import RunModel, RunPlan
from topfive.bulk.results.run import Run, open_run
from topfive.engines import EngineOptions
from topfive.errors import BulkStopped, OperatorError
from topfive.registry.desired import ModelOptions, named_model
from topfive.settings import Settings
from topfive.wiring import desired_model


@dataclass(frozen=True, slots=True)
class BulkChoices:
    """What was given on the command line; None and empty are what settings say.

    Without an `address` this machine works alone.
    """

    pictures: str
    out: str
    is_resumed: bool = False
    actors: int | None = None
    address: str = ""
    wait_s: float = 60.0
    format: str = "parquet"
    shard_pictures: int = 1000
    column: str = ""
    model: str = ""
    engine: str | None = None
    precision: str | None = None


@dataclass(frozen=True, slots=True)
class BulkSummary:
    """What came of a run: of all of it, and how many pictures were done now, in what time."""

    run_id: str
    results: str
    model: RunModel
    totals: Totals
    done_now: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class _Work:
    """What a run was asked for."""

    choices: BulkChoices
    settings: Settings
    model_options: ModelOptions
    progress: Progress


def run_bulk(choices: BulkChoices, settings: Settings, progress: Progress) -> BulkSummary:
    """Classify the pictures that are meant, and write what comes of each.

    Raises BulkRefused or another Mistake where something is wrong with what was asked for, and
    BulkStopped where the run cannot go on; what is finished is kept.
    """
    with ending_as_by_keyboard():
        return _run(choices, settings, progress)


def _run(choices: BulkChoices, settings: Settings, progress: Progress) -> BulkSummary:
    began_s = monotonic()
    source = parse_source(choices.pictures, choices.column)
    folder = open_results(choices.out)
    check_actors(choices.actors, choices.address)
    check_address(choices.address)
    options = _model_options(choices, settings)
    plan = _plan(source, _probe_model(options, choices, settings), choices, settings)
    entries = _list(source)
    with open_run(folder, plan, resume=choices.is_resumed) as run:
        for sentence in run.findings():
            progress.tell(sentence)
        before = (run.manifest.totals if run.is_finished else run.finished_shards.totals()).pictures
        if run.is_finished:
            _settle_list(run, source, entries)
            progress.tell("This run is finished already: nothing is left to do.")
        else:
            with _noting_the_end(run):
                _settle_list(run, source, entries)
                _score(run, _Work(choices, settings, options, progress))
        totals = run.manifest.totals
        return BulkSummary(
            run.manifest.run_id,
            folder.shown,
            plan.model,
            totals,
            totals.pictures - before,
            monotonic() - began_s,
        )


def _plan(source: Source, model: RunModel, choices: BulkChoices, settings: Settings) -> RunPlan:
    return RunPlan(
        source.shown,
        source.kind,
        model,
        parse_format(choices.format),
        choices.shard_pictures,
        asdict(settings.image_limits),
    )


def _list(source: Source) -> Iterator[Entry]:
    """Begin to list: where that is no use, nothing is to be written."""
    entries = list_entries(source)
    return chain([next(entries)], entries)


@contextmanager
def _noting_the_end(run: Run) -> Iterator[None]:
    try:
        yield
        run.finish()
    except OperatorError as error:
        run.stop(str(error))
        raise
    except (KeyboardInterrupt, SystemExit) as error:
        run.stop("It was interrupted.")
        done = run.finished_shards.totals().pictures
        raise BulkStopped(
            f"The run was interrupted. {done:,} pictures are done and kept; go on with --resume."
        ) from error


def _settle_list(run: Run, source: Source, entries: Iterator[Entry]) -> None:
    """Write the list of pictures; where it was written before, it must still be the same."""
    if not run.is_listed:
        found = write_input_list(run.folder, entries, run.manifest.shard_pictures)
        run.listed(found.pictures, found.shards, found.sha256)
    elif _digest(entries) != run.manifest.input.sha256:
        changes = count_changes(_listed_before(run), list_entries(source))
        raise refuse_other_list(run.folder.shown, changes)


def _digest(entries: Iterable[Entry]) -> str:
    digest = InputDigest()
    for entry in entries:
        digest.add(entry)
    return digest.hexdigest()


def _listed_before(run: Run) -> Iterator[Entry]:
    for name in _list_files(run):
        for shard in read_shards(run.folder.read(name)):
            yield from shard.entries


def _list_files(run: Run) -> list[str]:
    files = -(-(run.manifest.input.shards or 0) // SHARDS_PER_FILE)
    return [list_file_name(number) for number in range(files)]


def _score(run: Run, work: _Work) -> None:
    manifest, choices = run.manifest, work.choices
    plan = WorkPlan(
        __version__,
        manifest.run_id,
        manifest.format,
        run.folder,
        work.settings.image_limits,
        manifest.model,
        work.model_options,
    )
    wanted = ClusterOptions(choices.address, choices.actors, choices.wait_s)
    _begin_progress(run, work)
    _tell_start(run, work)
    with connect(wanted, uses_torch=manifest.model.engine == "torch") as cluster:
        # It imports Ray, which reads the environment that was set for it just now.
        from topfive.bulk.cluster.pipeline import score  # noqa: PLC0415

        # Anew: the time that Ray took is not that of pictures.
        _begin_progress(run, work)
        for outcome in score(_list_files(run), run.unfinished, plan, cluster):
            run.note(outcome)
            work.progress.advance(outcome)


def _begin_progress(run: Run, work: _Work) -> None:
    work.progress.begin(run.manifest.input.pictures or 0, run.finished_shards.totals().pictures)


def _tell_start(run: Run, work: _Work) -> None:
    left = (run.manifest.input.pictures or 0) - run.finished_shards.totals().pictures
    together = min(left, run.manifest.shard_pictures)
    work.progress.tell(
        f"{left:,} pictures to do. Ray and the model start first, which takes some seconds; then "
        f"progress is told for {together:,} pictures at a time."
    )


def _model_options(choices: BulkChoices, settings: Settings) -> ModelOptions:
    if not choices.model:
        return desired_model(settings)
    reference = choices.model
    if "/" in reference:
        reference = str(Path(reference).absolute())
    return named_model(reference, settings.models_dir.absolute(), settings.model_store)


def _probe_model(options: ModelOptions, choices: BulkChoices, settings: Settings) -> RunModel:
    """Find out here what each actor must have: no mistake is to wait for a cluster."""
    engine = EngineOptions(
        choices.engine or settings.engine, choices.precision or settings.precision
    )
    classifier = open_model(options, engine, settings.image_limits)
    try:
        return describe_model(classifier)
    finally:
        classifier.close()
