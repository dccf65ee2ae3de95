"""The settings: read once from the environment and `.env`, checked all at once, then frozen."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from topfive.auth.keys import ApiKey, parse_api_keys
from topfive.bundles.manifest import check_name
from topfive.bundles.recipe import RecipeOptions, parse_mean, parse_std
from topfive.bundles.versions import check_version, split_reference
from topfive.cache.limits import LEAST_BYTES
from topfive.engines.contract import EngineOptions
from topfive.errors import SettingsError
from topfive.images.limits import ImageLimits
from topfive.input_recipe import Channels
from topfive.machine.sizing import SizingOptions
from topfive.models import RouteView
from topfive.redis_client import check_redis_url
from topfive.registry.canary import CanaryOptions
from topfive.registry.routes import parse_routes
from topfive.route_table import RouteTable, answers_health, build_route_table, is_taken
from topfive.stores.address import parse_store
from topfive.telemetry.logs import LogOptions

PREFIX = "TOPFIVE_"
# Names that platforms set by themselves; topfive's own name wins where both are there.
STANDARD_NAMES = {
    "PORT": "port",
    "SAGEMAKER_BIND_TO_PORT": "port",
    "AIP_HTTP_PORT": "port",
    "AIP_PREDICT_ROUTE": "vertex_predict_route",
    "AIP_HEALTH_ROUTE": "vertex_health_route",
    "WEB_CONCURRENCY": "workers",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "otlp_endpoint",
}

# RFC 3986's characters of a path, without percent signs: an escaped path would have two forms.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _split(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _read_with(parse: Callable[[str], Channels]) -> Callable[[object], object]:
    def read(value: object) -> object:
        return parse(value) if isinstance(value, str) and value else _empty_is_none(value)

    return read


OptionalInt = Annotated[int | None, BeforeValidator(_empty_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
OptionalMean = Annotated[Channels | None, BeforeValidator(_read_with(parse_mean))]
OptionalStd = Annotated[Channels | None, BeforeValidator(_read_with(parse_std))]
Word = BeforeValidator(_lower)


class Settings(BaseModel):
    """Everything an operator can choose; each field is `TOPFIVE_` and its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    model: str = Field(
        "mobilenet_v2",
        min_length=1,
        description="The model to serve: `mobilenet_v2`, `resnet50`, `digits` (shipped inside, "
        "knows the ten digits), the name of a model of your own that `topfive pull` has made, or "
        "the path of a bundle directory. `NAME@VERSION` means one version, which may also be "
        "`sha256:` and digits of a bundle's digest. Where WEIGHTS is set: the architecture they "
        "are of, and what version that makes.",
    )
    models: str = Field(
        "",
        description="Further models that are loaded at the start and stay loaded, separated by "
        "commas: `NAME`, `NAME@VERSION` or paths of bundle directories. `/predict?model=` picks "
        "one. Empty: none.",
    )
    fallback_model: str = Field(
        "",
        description="The model that stands in while an official one cannot be downloaded, for "
        "example `digits`. It never stands in for weights of your own. Empty: none. `make run` "
        "sets `digits`.",
    )
    weights: str = Field(
        "",
        description="Where MODEL's weights come from instead of torchvision's official ones: a "
        "local `.pth` or `.safetensors` file, or an http(s) URL of one, which is downloaded once. "
        "It makes a model of your own, unless the file is the official one.",
    )
    model_name: str = Field(
        "",
        description="What a model of your own is called: small letters, digits, `.`, `_` and `-`. "
        "Empty: as its weights' file. An official name is for the official weights alone.",
    )
    labels: OptionalPath = Field(
        None,
        description="A text file with one class name a line, for WEIGHTS with classes of your "
        "own. Empty: ImageNet's names.",
    )
    input_resize: OptionalInt = Field(
        None,
        ge=1,
        le=4096,
        description="The length in pixels to which a picture's shorter side is resized, where "
        "WEIGHTS were trained with another than torchvision's for MODEL (232).",
    )
    input_crop: OptionalInt = Field(
        None,
        ge=1,
        le=4096,
        description="The side in pixels of the square that is then cut from the middle. Empty: "
        "torchvision's for MODEL (224).",
    )
    input_mean: OptionalMean = Field(
        None,
        description="The mean that is taken off each RGB channel of 0 to 1, as in `0.5,0.5,0.5`. "
        "Empty: ImageNet's (`0.485,0.456,0.406`).",
    )
    input_std: OptionalStd = Field(
        None,
        description="The standard deviation by which each channel is then divided. Empty: "
        "ImageNet's (`0.229,0.224,0.225`).",
    )
    input_interpolation: Annotated[
        Literal["nearest", "bilinear", "bicubic"] | None, BeforeValidator(_empty_is_none), Word
    ] = Field(None, description="How pictures are resized: `nearest`, `bilinear` or `bicubic`. "
              "Empty: `bilinear`.")  # fmt: skip
    models_dir: Path = Field(
        Path("models"), description="The directory in which bundles are made and looked for."
    )
    model_memory_bytes: OptionalInt = Field(
        None,
        ge=1,
        le=1 << 46,
        description="The most bytes that loaded models may take in one worker. Empty: a share of "
        "the memory. Where another is to be loaded, those used least recently are unloaded, but "
        "never one that is routed or named in MODEL or MODELS.",
    )
    model_store: str = Field(
        "",
        description="Where bundles come from that are not in MODELS_DIR: a directory, `https://` "
        "(a web server with an `index.json`), `s3://`, `gs://` or `az://`; each cloud needs its "
        "extra. Credentials come from the cloud's own variables, files or roles. Empty: none.",
        repr=False,
    )
    model_store_ttl_s: float = Field(
        300.0,
        ge=1,
        le=86_400,
        description="After so many seconds it is looked again which bundles MODEL_STORE has.",
    )
    model_state: str = Field(
        "",
        description="Where orders about models are kept (`/models`): `redis://HOST:6379`, or "
        "`rediss`, `valkey`, `valkeys`, for a store that machines of the same settings share. "
        "Empty: in MODELS_DIR, for all workers of this machine.",
        repr=False,
    )
    engine: Annotated[Literal["auto", "openvino", "torch"], Word] = Field(
        "auto",
        description="What runs the model: `openvino` (CPU), `torch` (the reference; CUDA), or "
        "`auto`: torch where there is a CUDA device, else OpenVINO.",
    )
    precision: Annotated[Literal["auto", "f32", "bf16", "int8"], Word] = Field(
        "auto",
        description="How the engine computes. `auto` takes bf16 where the CPU has it and the "
        "model agrees with its reference, else f32.",
    )
    host: str = Field("0.0.0.0", min_length=1, description="The address to listen on.")  # noqa: S104
    port: int = Field(
        5000,
        ge=0,
        le=65535,
        description="The port to listen on; 0 takes any free one. `PORT` is read too; where they "
        "are set, `SAGEMAKER_BIND_TO_PORT` and `AIP_HTTP_PORT` win over it.",
    )
    workers: OptionalInt = Field(
        None,
        ge=1,
        le=1024,
        description="Worker processes. Empty: chosen from CPUs and memory. "
        "`WEB_CONCURRENCY` is read too.",
    )
    slots: OptionalInt = Field(
        None,
        ge=1,
        le=256,
        description="Pictures classified at once by one worker. Empty: chosen from the CPUs.",
    )
    queue: OptionalInt = Field(
        None,
        ge=0,
        le=4096,
        description="Pictures that may wait in one worker; more are told "
        "503 `overloaded` at once. Empty: 32 a slot.",
    )
    max_upload_bytes: int = Field(
        10 * 1024 * 1024, ge=1, le=1 << 30, description="The largest upload, in bytes."
    )
    max_pixels: int = Field(
        25_000_000,
        ge=1,
        le=80_000_000,
        description="The largest picture, in pixels, by what its header declares.",
    )
    cache_bytes: int = Field(
        0,
        ge=0,
        le=1 << 40,
        description="The bytes of memory in which all workers of this machine keep answers: the "
        "same picture, asked the same of the same model, is classified once. About 1,000 answers "
        "fit into a megabyte. At least 4194304; 0: no answer is kept.",
    )
    cache_url: str = Field(
        "",
        description="Where answers are kept in place of this machine's memory: "
        "`redis://HOST:6379`, or `rediss`, `valkey`, `valkeys`, for a store that machines share. "
        "Whoever can write to it can change answers. Empty: see CACHE_BYTES.",
        repr=False,
    )
    cache_ttl_s: int = Field(
        86_400,
        ge=1,
        le=31_536_000,
        description="After so many seconds CACHE_URL forgets an answer.",
    )
    cache_dir: OptionalPath = Field(
        None,
        description="Where workers keep the answers of CACHE_BYTES together. Empty: in memory.",
    )
    request_timeout_s: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="The most seconds from a request to its answer, waiting included.",
    )
    batch_max_pictures: int = Field(
        64, ge=1, le=1000, description="The most pictures in one request to `/predict/batch`."
    )
    batch_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1,
        le=1 << 40,
        description="The longest body of such a request, in bytes. It is worked on while it "
        "arrives, and only a few pictures of it are in memory.",
    )
    batch_timeout_s: float = Field(
        300.0,
        gt=0,
        le=86_400,
        description="The most seconds from such a request to the end of its answer, its upload "
        "included.",
    )
    routes: str = Field(
        "",
        description="Which models and versions share the requests that name none, by weight: "
        "`default=flowers@1:90,flowers@2:10`. `flowers@3:shadow` classifies the same pictures "
        "after the answer. Further aliases, separated by `;`, are for `?model=ALIAS`. Empty: MODEL "
        "gets all.",
    )
    shadow_min_idle: float = Field(
        0.5,
        ge=0,
        le=1,
        description="The share of the CPUs that must be idle before a shadow classifies a picture; "
        "0: it suffices that the worker could begin one more.",
    )
    canary_max_error_rate: float = Field(
        0.05,
        ge=0,
        le=1,
        description="The largest share of its requests that a canary may fail: a target of a route "
        "that does not have the most weight. Beyond it, it gets no requests any more.",
    )
    canary_max_p99_ratio: float = Field(
        2.0,
        ge=1,
        le=1000,
        description="How many times as long as the route's main target the slowest 1% of a "
        "canary's inferences may take. Beyond it, it gets no requests any more.",
    )
    canary_window_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="Over how many seconds canaries are judged; of each worker's requests, at most "
        "the newest 2,000.",
    )
    canary_min_requests: int = Field(
        100,
        ge=10,
        le=2000,
        description="The least number of requests in that time that a worker judges a canary by.",
    )
    rate_limit: str = Field(
        "100/minute",
        description="How often one client may call `/predict`, as `COUNT/UNIT`. Empty: no limit.",
    )
    rate_limit_storage: str = Field(
        "",
        description="Where the rate limit counts: `redis://HOST:6379`, or `rediss`, `valkey`, "
        "`valkeys`, for a store that machines share. Empty: in this machine's memory, for all its "
        "workers.",
        repr=False,
    )
    api_keys: str = Field(
        "",
        description="Accepted API keys, as `SHA256-DIGEST[:SCOPE[+SCOPE]]` separated by commas; "
        "scopes: `predict` (the default), `admin`. Empty: no key is asked for.",
        repr=False,
    )
    api_keys_file: OptionalPath = Field(
        None,
        description="A file with such entries, one a line; it is read again when it changes. "
        "Empty: none.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=16,
        description="How many proxies in front add to `X-Forwarded-For`; 0 ignores that header.",
    )
    cors_origins: str = Field(
        "",
        description="Origins whose pages may call the API, separated by commas, or `*`. Empty: "
        "none.",
    )
    metrics_port: OptionalInt = Field(
        None,
        ge=0,
        le=65535,
        description="A port of its own for `/metrics`, which is then not on the main one. Empty or "
        "0: on the main port, where with API keys it asks for one with the scope `admin`.",
    )
    metrics_dir: OptionalPath = Field(
        None,
        description="Where workers put their metrics together; emptied at the start. Empty: in "
        "memory.",
    )
    vertex_predict_route: str = Field(
        "",
        max_length=1000,
        description="The address at which Vertex AI's JSON is answered. Vertex AI sets "
        "`AIP_PREDICT_ROUTE`. Empty: none.",
    )
    vertex_health_route: str = Field(
        "",
        max_length=1000,
        description="The address at which Vertex AI asks how the service is; it may be one that "
        "there is already, such as `/health`. Vertex AI sets `AIP_HEALTH_ROUTE`. Empty: none.",
    )
    workers_dir: OptionalPath = Field(
        None,
        description="Where workers tell each other which models they have. Empty: in memory.",
    )
    otlp_endpoint: str = Field(
        "",
        description="Where traces are sent, by OTLP over HTTP; needs the extra `tracing`. Empty: "
        "no traces. `OTEL_EXPORTER_OTLP_ENDPOINT` is read too, and the other `OTEL_*` variables "
        "mean what OpenTelemetry says.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Word] = Field(
        "info", description="How much is logged."
    )
    log_format: Annotated[Literal["json", "console"], Word] = Field(
        "json", description="One JSON object a line, or plain text for a person."
    )
    log_classes: bool = Field(
        True,
        description="Whether the log names the best class of each prediction and its confidence. "
        "`false`: the log does not, and `topfive_confidence` is not measured either.",
    )

    @field_validator("model_name")
    @classmethod
    def _model_name_can_be_used(cls, name: str) -> str:
        return check_name(name) if name else name

    @field_validator("model", "models")
    @classmethod
    def _versions_can_be_read(cls, text: str) -> str:
        for one in _split(text):
            version = split_reference(one)[1]
            if version is not None:
                check_version(version)
        return text

    @field_validator("model_store")
    @classmethod
    def _model_store_can_be_one(cls, text: str) -> str:
        if text:
            parse_store(text)
        return text

    @field_validator("routes")
    @classmethod
    def _routes_can_be_read(cls, text: str) -> str:
        parse_routes(text)
        return text

    @field_validator("api_keys")
    @classmethod
    def _api_keys_can_be_read(cls, text: str) -> str:
        parse_api_keys(text)
        return text

    @field_validator("rate_limit")
    @classmethod
    def _rate_limit_can_be_read(cls, text: str) -> str:
        from limits import parse_many  # noqa: PLC0415 - only needed where a limit is set

        if text:
            parse_many(text)
        return text

    @field_validator("rate_limit_storage")
    @classmethod
    def _store_can_be_used(cls, uri: str) -> str:
        from topfive.ratelimit.stores import check_store_uri  # noqa: PLC0415 - as above

        if uri:
            check_store_uri(uri)
        return uri

    @field_validator("cache_bytes")
    @classmethod
    def _cache_has_a_size(cls, size: int) -> int:
        if 0 < size < LEAST_BYTES:
            raise ValueError(f"it must be 0, for no cache, or at least {LEAST_BYTES}")
        return size

    @field_validator("cache_url")
    @classmethod
    def _cache_can_be_used(cls, url: str, info: ValidationInfo) -> str:
        if url and info.data.get("cache_bytes"):
            raise ValueError("TOPFIVE_CACHE_BYTES is set too, and answers are kept in one place")
        if url:
            check_redis_url(url)
        return url

    @field_validator("vertex_predict_route", "vertex_health_route")
    @classmethod
    def _route_can_be_added(cls, path: str, info: ValidationInfo) -> str:
        if path and not _PATH.fullmatch(path):
            raise ValueError("it must be a path that begins with /, as in /v1/predict")
        is_theirs = info.field_name == "vertex_health_route" and answers_health(path)
        if path and is_taken(path) and not is_theirs:
            raise ValueError("topfive answers there in its own way: name another path")
        return path

    @field_validator("model_state")
    @classmethod
    def _state_can_be_used(cls, url: str) -> str:
        if url:
            check_redis_url(url)
        return url

    @property
    def further_models(self) -> tuple[str, ...]:
        """What is named in `models`, each once."""
        return tuple(dict.fromkeys(_split(self.models)))

    @property
    def image_limits(self) -> ImageLimits:
        """What one picture may cost."""
        return ImageLimits(self.max_upload_bytes, self.max_pixels)

    @property
    def recipe(self) -> RecipeOptions:
        """What is changed of the model's input recipe."""
        return RecipeOptions(
            resize=self.input_resize,
            crop=self.input_crop,
            interpolation=self.input_interpolation,
            mean=self.input_mean,
            std=self.input_std,
        )

    @property
    def model_routes(self) -> dict[str, RouteView]:
        """The routes by their alias; those that are not set are left to the service."""
        return parse_routes(self.routes)

    @property
    def canary_options(self) -> CanaryOptions:
        """When a canary is taken off its route."""
        return CanaryOptions(
            self.canary_max_error_rate,
            self.canary_max_p99_ratio,
            self.canary_window_s,
            self.canary_min_requests,
        )

    @property
    def sizing_options(self) -> SizingOptions:
        """What is fixed of workers, slots, queue and memory."""
        return SizingOptions(
            self.workers,
            self.slots,
            self.queue,
            self.model_memory_bytes,
            has_cache=bool(self.cache_bytes or self.cache_url),
            cache_bytes=self.cache_bytes,
        )

    @property
    def log_options(self) -> LogOptions:
        """How to log."""
        return LogOptions(self.log_level, self.log_format, self.log_classes)

    @cached_property
    def accepted_keys(self) -> tuple[ApiKey, ...]:
        """The API keys' digests and scopes."""
        return parse_api_keys(self.api_keys)

    @cached_property
    def route_table(self) -> RouteTable:
        """Which routes there are, with what each asks for."""
        return build_route_table(
            self.max_upload_bytes,
            max_batch_bytes=self.batch_max_bytes,
            has_metrics_port=bool(self.metrics_port),
            vertex_predict=self.vertex_predict_route,
            vertex_health=self.vertex_health_route,
        )

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins whose pages may call the API."""
        return tuple(_split(self.cors_origins))

    def engine_options(self, slots: int, batch_slots: int = 1) -> EngineOptions:
        """Which engine to use, for `slots` inferences at once, and `batch_slots` of a batch."""
        return EngineOptions(self.engine, self.precision, slots, batch_slots)


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """Settings as they were read: a wrong one has its default here, and a line in `problems`."""

    settings: Settings
    problems: tuple[str, ...]
    wrong_fields: frozenset[str]


def read_settings(dotenv_file: Path = Path(".env")) -> Settings:
    """Read the settings from the environment, then from `.env`.

    Raises SettingsError that names every bad or unknown variable at once.
    """
    return parse_settings(_environment(dotenv_file))


def look_at_settings(dotenv_file: Path = Path(".env")) -> ReadSettings:
    """Read the settings as `read_settings` does, but tell what is wrong instead of raising."""
    return _parse(_environment(dotenv_file))


def read_api_key(dotenv_file: Path = Path(".env")) -> str:
    """Read the API key that `topfive models` sends, as settings are read; empty without one."""
    return _environment(dotenv_file).get("TOPFIVE_API_KEY", "")


def inherits_sockets() -> bool:
    """Tell whether listening sockets are handed over, by systemd or by a former Gunicorn."""
    return bool({"LISTEN_FDS", "GUNICORN_FD"} & os.environ.keys())


def parse_settings(environment: Mapping[str, str]) -> Settings:
    """Make settings from variables; those that are not topfive's are left alone.

    Raises SettingsError that names every bad or unknown variable at once.
    """
    found = _parse(environment)
    if found.problems:
        lines = "\n".join(f"  {line}" for line in found.problems)
        raise SettingsError(f"These settings are wrong:\n{lines}")
    return found.settings


def _environment(dotenv_file: Path) -> dict[str, str]:
    from_file = {key: value or "" for key, value in dotenv_values(dotenv_file).items()}
    return {**from_file, **os.environ}


def _parse(environment: Mapping[str, str]) -> ReadSettings:
    names = {field: name for name, field in STANDARD_NAMES.items() if environment.get(name)}
    names |= {
        name.removeprefix(PREFIX).lower(): name
        for name in environment
        if name.startswith(PREFIX) and name not in RESERVED_NAMES
    }
    values = {field: environment[name] for field, name in names.items()}
    try:
        return ReadSettings(Settings.model_validate(values), (), frozenset())
    except ValidationError as error:
        found = error.errors(include_url=False)
    # The library's own text would quote values, and some of them are secrets.
    problems = tuple(sorted(_describe_one(one, names) for one in found))
    wrong = frozenset(str(one["loc"][0]) for one in found)
    rest = {field: value for field, value in values.items() if field not in wrong}
    return ReadSettings(Settings.model_validate(rest), problems, wrong)


def variable_name(field: str) -> str:
    """Tell the environment variable of a field."""
    return PREFIX + field.upper()


# Read by the test suite, the Compose file and `topfive models`, so that all can be set in one
# environment.
RESERVED_NAMES = frozenset(
    {"TOPFIVE_TEST_WEIGHTS", "TOPFIVE_TEST_PHOTOS", "TOPFIVE_DOMAIN", "TOPFIVE_API_KEY"}
)


def _describe_one(problem: Any, names: Mapping[str, str]) -> str:
    field = str(problem["loc"][0])
    name = names.get(field) or variable_name(field)
    if problem["type"] == "extra_forbidden":
        return f"{name} is not a setting of topfive. See docs/settings.md for those that are."
    message = problem["msg"].removeprefix("Value error, ")
    if field in ("api_keys", "model_store", "model_state", "rate_limit_storage", "cache_url"):
        return f"{name}: {message}"
    return f"{name}={problem['input']!r}: {message}"
