"""What `topfive doctor` finds out: about the machine, the settings, the port and the model."""

import os
from dataclasses import dataclass
from importlib.util import find_spec

from topfive import __version__
from topfive.bundles.store import read_manifest
from topfive.engines import engine_candidates
from topfive.errors import OperatorError
from topfive.machine.gpu import cuda_of_torch, gpu_names
from topfive.machine.ports import find_holder, next_free_port, port_problem
from topfive.machine.probe import Machine, probe_machine
from topfive.machine.sizing import Sizing, plan_sizing
from topfive.registry.desired import ModelOptions, desired_name
from topfive.registry.loader import LoadOptions, load_present, locate_bundle, may_have_int8
from topfive.settings import Settings
from topfive.wiring import desired_model, further_models, routed_models
from topfive.wiring.history_check import history_mistakes

_TELLING_FLAGS = (
    "avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd",
    "bf16", "i8mm",
)  # fmt: skip
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, what was found, why it matters.

    `step` is what to do about it before the service can start; empty where that is nothing.
    """

    about: str
    found: str
    why: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, and whether the model can be loaded as things are."""

    findings: tuple[Finding, ...]
    is_model_fine: bool

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to do next, in order."""
        steps = tuple(one.step for one in self.findings if one.step)
        return steps or ("Everything is ready: topfive serve",)


def examine(settings: Settings) -> Report:
    """Look at all that decides whether and how the service would run here."""
    machine = probe_machine()
    sizing = plan_sizing(machine, settings.sizing_options)
    model = _model(settings, machine, sizing)
    findings = (
        *_machine(machine),
        _gpu(),
        *_choices(settings, machine, sizing),
        *_limits(settings, sizing),
        _log(settings),
        _fallback(settings),
        _history(settings),
        model,
        *_further_models(settings),
        _port(settings),
    )
    return Report(findings, is_model_fine=not model.step)


def _machine(machine: Machine) -> list[Finding]:
    quota = "none" if machine.cpu_quota is None else f"{machine.cpu_quota:g} CPUs"
    limit = machine.memory_limit_bytes
    flags = [flag for flag in _TELLING_FLAGS if flag in machine.cpu_flags]
    return [
        Finding("topfive", __version__, ""),
        Finding("processor", machine.cpu_model, f"{os.cpu_count()} CPUs in the machine"),
        Finding("instruction sets", " ".join(flags) or "none known",
                "bf16 and int8 need native support"),
        Finding("CPUs allowed", str(machine.affinity_cpus), "the affinity mask of this process"),
        Finding("CPU quota", quota, "the cgroup's limit"),
        Finding("memory", f"{machine.usable_memory_bytes // _MIB} MB",
                "no cgroup limit" if limit is None else "the cgroup's limit"),
    ]  # fmt: skip


def _gpu() -> Finding:
    names, cuda = gpu_names(), cuda_of_torch()
    found = ", ".join(names) or "none seen"
    if cuda:
        return Finding("GPU", found, f"the installed torch can use one: it has CUDA {cuda}")
    what = "torch is not installed" if cuda is None else "the installed torch is without CUDA"
    return Finding("GPU", found, f"{what}; `make run GPU=1` installs one that has it")


def _choices(settings: Settings, machine: Machine, sizing: Sizing) -> list[Finding]:
    torch = "installed" if find_spec("torch") else "not installed"
    workers = f"{sizing.workers} x {sizing.slots}"
    return [
        Finding("torch", torch, "needed to make bundles and for CUDA, not to serve on a CPU"),
        Finding("engine", *_engine_choice(settings, machine)),
        Finding("workers x slots", workers, sizing.reason),
        Finding("queue, threads", f"{sizing.queue}, {sizing.threads} per worker",
                "queue slots; threads for slots, for bodies under way, for pages and for health"),
    ]  # fmt: skip


def _engine_choice(settings: Settings, machine: Machine) -> tuple[str, str]:
    try:
        candidates = engine_candidates(
            settings.engine_options(1),
            machine.cpu_flags,
            has_int8=may_have_int8(desired_model(settings)),
        )
    except OperatorError as error:
        return "none", str(error)
    first = candidates[0]
    return f"{first.engine} {first.precision}", first.reason


def _limits(settings: Settings, sizing: Sizing) -> list[Finding]:
    upload, pixels = settings.max_upload_bytes / _MIB, settings.max_pixels / 1_000_000
    return [
        Finding("largest upload", f"{upload:g} MiB", "TOPFIVE_MAX_UPLOAD_BYTES"),
        Finding("largest picture", f"{pixels:g} megapixels", "TOPFIVE_MAX_PIXELS"),
        Finding("time limit", f"{settings.request_timeout_s:g} s", "TOPFIVE_REQUEST_TIMEOUT_S"),
        Finding(
            "memory for models",
            f"{sizing.model_bytes // _MIB} MB per worker",
            "those used least recently are unloaded for others; TOPFIVE_MODEL_MEMORY_BYTES",
        ),
        Finding("cache", *_cache(settings)),
        Finding("rate limit", settings.rate_limit or "none", "for one client; TOPFIVE_RATE_LIMIT"),
    ]


def _cache(settings: Settings) -> tuple[str, str]:
    if settings.cache_url:
        return "shared by machines", "TOPFIVE_CACHE_URL"
    size = f"{settings.cache_bytes / _MIB:g} MiB" if settings.cache_bytes else "none"
    return size, "answers that are kept; TOPFIVE_CACHE_BYTES, _URL"


def _log(settings: Settings) -> Finding:
    classes = "named" if settings.log_classes else "left out"
    return Finding(
        "log",
        f"{settings.log_format} on standard output, level {settings.log_level}",
        f"best classes are {classes}; TOPFIVE_LOG_FORMAT, _LEVEL, _CLASSES",
    )


def _fallback(settings: Settings) -> Finding:
    return Finding(
        "fallback",
        settings.fallback_model or "none",
        "answers while the model could not be loaded; `make run` sets digits",
    )


def _history(settings: Settings) -> Finding:
    """Name the kind of the database, never its address, which may hold a password."""
    if not settings.history_url:
        return Finding("history", "none", "what was predicted is not kept; TOPFIVE_HISTORY_URL")
    found = "in SQLite" if settings.history_url.startswith("sqlite") else "in PostgreSQL"
    for mistake in history_mistakes(settings):
        return Finding("history", found, "its packages are not installed", mistake)
    return Finding("history", found, "`topfive db current` looks at its schema")


def _model(settings: Settings, machine: Machine, sizing: Sizing) -> Finding:
    load_options = LoadOptions(
        settings.engine_options(sizing.slots), settings.image_limits, machine.cpu_flags
    )
    try:
        classifier = load_present(desired_model(settings), load_options)
    except OperatorError as error:
        found = f"{desired_name(desired_model(settings))}: not ready"
        return Finding("model", found, str(error), _step_to_model(settings))
    found = f"{classifier.ref.name} {classifier.ref.version}"
    engine = f"{classifier.engine.name} {classifier.engine.precision}"
    refused = "".join(
        f"; refused: {one.engine} {one.precision}: {one.reason}" for one in classifier.refused
    )
    classifier.close()
    return Finding("model", found, f"{engine} agrees with the reference{refused}")


def _further_models(settings: Settings) -> list[Finding]:
    further = (*further_models(settings), *routed_models(settings, settings.model_routes))
    return [_further_model(options) for options in further]


def _further_model(options: ModelOptions) -> Finding:
    """Look for a model that is loaded beside, without loading it."""
    name = desired_name(options)
    try:
        folder = locate_bundle(options)
    except OperatorError as error:
        step = "Correct TOPFIVE_MODELS"
        return Finding("further model", f"{name}: not ready", str(error), step)
    if folder is None:
        return Finding(
            "further model", f"{name}: not here", "it is made at the start, or later where it "
            "cannot be downloaded",
        )  # fmt: skip
    return Finding("further model", f"{name} {read_manifest(folder).version}", "TOPFIVE_MODELS")


def _step_to_model(settings: Settings) -> str:
    correct = "Correct what the line `model` says, then run topfive doctor again"
    try:
        is_missing = locate_bundle(desired_model(settings)) is None
    except OperatorError:
        return correct
    if not is_missing:
        return correct
    if find_spec("torch") is None:
        return "Install requirements-torch.txt, then make the model: topfive pull " + settings.model
    return f"Make the model: topfive pull {settings.model}"


def _port(settings: Settings) -> Finding:
    port = settings.port
    if port == 0:
        return Finding("port", "any free one", "TOPFIVE_PORT=0")
    problem = port_problem(settings.host, port)
    if problem is None:
        return Finding("port", f"{port}: free", f"on {settings.host}; TOPFIVE_PORT")
    if problem != "in use":
        step = f"Port {port} cannot be opened: {problem}. Correct TOPFIVE_PORT or TOPFIVE_HOST"
        return Finding("port", f"{port}: cannot be opened", problem, step)
    holder = find_holder(port)
    who = f"process {holder.pid} ({holder.command})" if holder else "another program"
    other = next_free_port(settings.host, port)
    step = f"Port {port} is taken by {who}. Stop it, or take another: TOPFIVE_PORT={other}"
    return Finding("port", f"{port}: in use", f"by {who}", step)
