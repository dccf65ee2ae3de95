"""Settings: read once, checked all at once, frozen."""

import hashlib
import os
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from topfive.auth.keys import ApiKey
from topfive.bundles.recipe import RecipeOptions
from topfive.engines import EngineOptions
from topfive.errors import SettingsError
from topfive.images.limits import ImageLimits
from topfive.machine.sizing import SizingOptions
from topfive.models import RouteView, TargetView
from topfive.registry.canary import CanaryOptions
from topfive.settings import Settings, parse_settings, read_settings, variable_name
from topfive.telemetry.logs import LogOptions

DIGEST = hashlib.sha256(b"key").hexdigest()


@pytest.fixture
def clean(monkeypatch):
    """An environment without any setting in it."""
    for name in [*os.environ]:
        if name.startswith("TOPFIVE_") or name in {"PORT", "WEB_CONCURRENCY"}:
            monkeypatch.delenv(name)
    return monkeypatch


def _refusal(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refusal:
        parse_settings(environment)
    return str(refusal.value)


def test_without_variables_the_defaults_hold():
    """Nothing needs to be set, and the defaults are the promised ones."""
    settings = parse_settings({"HOME": "/somewhere", "PATH": "/bin"})
    assert settings == Settings()
    assert (settings.model, settings.fallback_model, settings.weights) == ("mobilenet_v2", "", "")
    assert (settings.engine, settings.precision, settings.port) == ("auto", "auto", 5000)
    assert settings.rate_limit == "100/minute"
    assert settings.request_timeout_s == 30
    assert settings.image_limits == ImageLimits(10 * 1024 * 1024, 25_000_000)
    assert settings.sizing_options == SizingOptions(None, None, None)
    assert settings.accepted_keys == ()
    assert settings.allowed_origins == ()


def test_every_field_is_read_from_its_variable():
    """Each setting is TOPFIVE_ and its name in capitals."""
    settings = parse_settings(
        {
            "TOPFIVE_MODEL": " /models/birds/1 ",
            "TOPFIVE_MODELS": "digits, flowers@1.2 ,digits,",
            "TOPFIVE_MODEL_MEMORY_BYTES": "1000",
            "TOPFIVE_LABELS": "labels.txt",
            "TOPFIVE_INPUT_RESIZE": "256",
            "TOPFIVE_INPUT_CROP": "",
            "TOPFIVE_INPUT_MEAN": "0.5,0.5,0.5",
            "TOPFIVE_INPUT_STD": "",
            "TOPFIVE_INPUT_INTERPOLATION": "Bicubic",
            "TOPFIVE_ENGINE": "OpenVINO",
            "TOPFIVE_PRECISION": "BF16",
            "TOPFIVE_WORKERS": "3",
            "TOPFIVE_SLOTS": "2",
            "TOPFIVE_QUEUE": "0",
            "TOPFIVE_MAX_UPLOAD_BYTES": "1000",
            "TOPFIVE_MAX_PIXELS": "2000",
            "TOPFIVE_API_KEYS": f"{DIGEST}:admin",
            "TOPFIVE_CORS_ORIGINS": "https://a.example, https://b.example,",
            "TOPFIVE_LOG_LEVEL": "WARNING",
            "TOPFIVE_LOG_FORMAT": "console",
        }
    )
    assert settings.model == "/models/birds/1"
    assert settings.further_models == ("digits", "flowers@1.2")
    assert settings.labels == Path("labels.txt")
    assert settings.recipe == RecipeOptions(
        resize=256, mean=(0.5, 0.5, 0.5), interpolation="bicubic"
    )
    assert settings.engine_options(2) == EngineOptions("openvino", "bf16", 2)
    assert settings.sizing_options == SizingOptions(3, 2, 0, 1000)
    assert settings.image_limits == ImageLimits(1000, 2000)
    assert settings.accepted_keys == (ApiKey(DIGEST, frozenset({"admin"})),)
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.log_options == LogOptions("warning", "console")
    assert variable_name("max_pixels") == "TOPFIVE_MAX_PIXELS"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TOPFIVE_CACHE_BYTES": "4194303"}, "at least 4194304"),
        ({"TOPFIVE_CACHE_BYTES": "-1"}, "TOPFIVE_CACHE_BYTES='-1'"),
        ({"TOPFIVE_CACHE_URL": "https://x"}, "must begin with one of redis"),
        ({"TOPFIVE_CACHE_URL": "redis://x", "TOPFIVE_CACHE_BYTES": "4194304"}, "in one place"),
    ],
)
def test_a_cache_that_makes_no_sense_is_refused(environment, said):
    """The message says what it may be."""
    assert said in _refusal(environment)


def test_empty_means_unset_where_that_makes_sense():
    """Numbers and files that may be left to topfive are so by an empty variable."""
    empty = dict.fromkeys(
        ("TOPFIVE_WORKERS", "TOPFIVE_SLOTS", "TOPFIVE_QUEUE", "TOPFIVE_LABELS",
         "TOPFIVE_RATE_LIMIT", "PORT", "WEB_CONCURRENCY"), ""
    )  # fmt: skip
    settings = parse_settings(empty)
    assert settings.sizing_options == SizingOptions(None, None, None)
    assert settings.labels is None
    assert settings.rate_limit == ""
    assert settings.port == 5000


BAD = {
    "TOPFIVE_MODEL": "",
    "TOPFIVE_MODELS": "flowers@",
    "TOPFIVE_MODEL_MEMORY_BYTES": "1GB",
    "TOPFIVE_ENGINE": "tensorflow",
    "TOPFIVE_PRECISION": "f64",
    "TOPFIVE_MODEL_NAME": "My Birds",
    "TOPFIVE_INPUT_CROP": "0",
    "TOPFIVE_INPUT_MEAN": "0.5,0.5",
    "TOPFIVE_INPUT_STD": "0,1,1",
    "TOPFIVE_INPUT_INTERPOLATION": "cubic",
    "TOPFIVE_HOST": "",
    "TOPFIVE_PORT": "65536",
    "TOPFIVE_WORKERS": "0",
    "TOPFIVE_SLOTS": "many",
    "TOPFIVE_QUEUE": "-1",
    "TOPFIVE_MAX_UPLOAD_BYTES": "10MB",
    "TOPFIVE_MAX_PIXELS": "80000001",
    "TOPFIVE_REQUEST_TIMEOUT_S": "nan",
    "TOPFIVE_ROUTES": "default=flowers@1:90,flowers@1:10",
    "TOPFIVE_CANARY_MAX_ERROR_RATE": "5",
    "TOPFIVE_CANARY_MAX_P99_RATIO": "0.5",
    "TOPFIVE_CANARY_WINDOW_S": "0",
    "TOPFIVE_CANARY_MIN_REQUESTS": "9",
    "TOPFIVE_RATE_LIMIT": "often",
    "TOPFIVE_API_KEYS": "plain-text-key",
    "TOPFIVE_TRUSTED_PROXIES": "17",
    "TOPFIVE_LOG_LEVEL": "loud",
    "TOPFIVE_LOG_FORMAT": "xml",
}
UNKNOWN = {"TOPFIVE_MODLE": "resnet50", "TOPFIVE_": "x", "TOPFIVE_APIKEY": "secret-by-mistake"}


def test_every_bad_and_unknown_variable_is_told_at_once():
    """One message names all of them, each on its own line, and no other."""
    lines = _refusal({**BAD, **UNKNOWN, "TOPFIVE_FALLBACK_MODEL": "digits"}).splitlines()
    assert lines[0] == "These settings are wrong:"
    named = [line.strip().replace("=", " ").replace(":", " ").split()[0] for line in lines[1:]]
    assert sorted(named) == sorted([*BAD, *UNKNOWN])


@pytest.mark.parametrize("name", sorted(BAD))
def test_each_bad_variable_alone_is_refused(name):
    """A single slip is enough, and its value can be read in the message."""
    message = _refusal({name: BAD[name]})
    assert name in message
    assert name == "TOPFIVE_API_KEYS" or repr(BAD[name]) in message


def test_routes_are_read():
    """Routes and bounds for canaries are what their variables say."""
    settings = parse_settings(
        {
            "TOPFIVE_ROUTES": "default=flowers@1:90,flowers@2:10",
            "TOPFIVE_CANARY_MAX_ERROR_RATE": "0.01",
            "TOPFIVE_CANARY_MIN_REQUESTS": "20",
        }
    )
    targets = (TargetView("flowers", "1", 90), TargetView("flowers", "2", 10))
    assert settings.model_routes == {"default": RouteView(targets)}
    assert settings.canary_options == CanaryOptions(0.01, 2.0, 60.0, 20)
    assert Settings().model_routes == {}


@pytest.mark.parametrize("value", ["inf", "0", "-1", "3601", ""])
def test_a_timeout_is_a_sane_number(value):
    """A deadline that never or always comes is refused."""
    assert "TOPFIVE_REQUEST_TIMEOUT_S" in _refusal({"TOPFIVE_REQUEST_TIMEOUT_S": value})


def test_an_unknown_variable_points_at_the_list():
    """A misspelt name is refused without its value, with where to look."""
    message = _refusal(UNKNOWN)
    assert "TOPFIVE_MODLE is not a setting of topfive. See docs/settings.md" in message
    assert "secret-by-mistake" not in message


def test_api_keys_are_never_shown():
    """Neither the message, nor a traceback, nor the settings' own text holds what was set."""
    settings = {"TOPFIVE_API_KEYS": f"{DIGEST},plain-text-key", "TOPFIVE_PORT": "x"}
    with pytest.raises(SettingsError) as refusal:
        parse_settings(settings)
    told = "".join(traceback.format_exception(refusal.value))
    assert "entry 2" in told
    assert "plain-text-key" not in told
    assert DIGEST not in told
    assert DIGEST not in repr(parse_settings({"TOPFIVE_API_KEYS": DIGEST}))


def test_values_of_unknown_variables_are_not_in_a_traceback():
    """A key under a misspelt name is not shown either."""
    settings = {"TOPFIVE_APIKEY": "secret-by-mistake"}
    with pytest.raises(SettingsError) as refusal:
        parse_settings(settings)
    assert "secret-by-mistake" not in "".join(traceback.format_exception(refusal.value))


def test_the_key_that_is_sent_is_no_setting_of_the_service():
    """TOPFIVE_API_KEY may stand in one environment with the settings."""
    assert parse_settings({"TOPFIVE_API_KEY": "secret"}) == Settings()


def test_what_platforms_set_is_read():
    """PORT and WEB_CONCURRENCY count, unless topfive's own variables are there."""
    settings = parse_settings({"PORT": "8080", "WEB_CONCURRENCY": "4"})
    assert (settings.port, settings.workers) == (8080, 4)
    settings = parse_settings(
        {"PORT": "8080", "TOPFIVE_PORT": "9", "WEB_CONCURRENCY": "4", "TOPFIVE_WORKERS": "2"}
    )
    assert (settings.port, settings.workers) == (9, 2)


@pytest.mark.parametrize("name", ["PORT", "WEB_CONCURRENCY"])
def test_a_bad_variable_of_a_platform_is_called_by_its_own_name(name):
    """Whoever reads the message finds the variable that was really set."""
    message = _refusal({name: "nonsense"})
    assert f"  {name}='nonsense'" in message


def test_the_test_suites_own_variables_are_left_alone():
    """What names test data is no setting, and no mistake."""
    assert parse_settings({"TOPFIVE_TEST_WEIGHTS": "a", "TOPFIVE_TEST_PHOTOS": "b"}) == Settings()


def test_settings_cannot_be_changed():
    """What was read at start holds until the end."""
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1


def test_the_environment_wins_over_the_file(clean, tmp_path):
    """`.env` fills in what the environment does not say."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("TOPFIVE_PORT=1111\nTOPFIVE_MODEL=resnet50\nOTHER=1\n# no\n", "utf-8")
    clean.setenv("TOPFIVE_PORT", "2222")
    settings = read_settings(dotenv)
    assert (settings.port, settings.model) == (2222, "resnet50")


def test_mistakes_in_the_file_are_told_too(clean, tmp_path):
    """A bad line in `.env` is reported beside those in the environment."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("TOPFIVE_PORTT=1111\nTOPFIVE_QUEUE=some\nTOPFIVE_HOST\n", "utf-8")
    clean.setenv("TOPFIVE_ENGINE", "steam")
    with pytest.raises(SettingsError) as refusal:
        read_settings(dotenv)
    for name in ("TOPFIVE_PORTT", "TOPFIVE_QUEUE", "TOPFIVE_HOST", "TOPFIVE_ENGINE"):
        assert name in str(refusal.value)


def test_no_file_is_fine(clean, tmp_path):
    """`.env` need not be there."""
    assert read_settings(tmp_path / "nothing") == Settings()


def test_reading_leaves_the_environment_as_it_was(clean, tmp_path):
    """What is in `.env` does not leak into the process's environment."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("TOPFIVE_PORT=1111\n", "utf-8")
    read_settings(dotenv)
    assert "TOPFIVE_PORT" not in os.environ


@pytest.mark.parametrize(
    ("names", "port"),
    [
        (["PORT"], 1),
        (["PORT", "SAGEMAKER_BIND_TO_PORT"], 2),
        (["PORT", "SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT"], 3),
        (["PORT", "SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT", "TOPFIVE_PORT"], 4),
    ],
)
def test_a_platforms_port_wins_over_the_general_one(names, port):
    """Where several platforms' variables are set, it is certain which one counts."""
    ports = ["PORT", "SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT", "TOPFIVE_PORT"]
    settings = parse_settings({name: str(1 + ports.index(name)) for name in names})
    assert settings.port == port


def test_vertex_names_its_addresses():
    """They are routes of their own, but where topfive answers how it is already."""
    named = {"AIP_PREDICT_ROUTE": "/v1/e/1:predict", "AIP_HEALTH_ROUTE": "/v1/e/1"}
    table = parse_settings(named).route_table
    assert [(one.method, one.path) for one in table.vertex] == [
        ("POST", "/v1/e/1:predict"),
        ("GET", "/v1/e/1"),
    ]
    for path in ("/health", "/readyz", "/ping"):
        assert parse_settings({"AIP_HEALTH_ROUTE": path}).route_table.vertex == ()
    assert parse_settings({}).route_table.vertex == ()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("AIP_PREDICT_ROUTE", "/predict"),
        ("AIP_PREDICT_ROUTE", "/predict/batch"),
        ("AIP_PREDICT_ROUTE", "/health"),
        ("AIP_PREDICT_ROUTE", "/"),
        ("AIP_PREDICT_ROUTE", "/v2/models/m/infer"),
        ("AIP_PREDICT_ROUTE", "/v2/predict"),
        ("AIP_PREDICT_ROUTE", "predict"),
        ("AIP_PREDICT_ROUTE", "/a<b>"),
        ("AIP_PREDICT_ROUTE", "/a{b}"),
        ("AIP_PREDICT_ROUTE", "/a b"),
        ("AIP_PREDICT_ROUTE", "/a%20b"),
        ("AIP_PREDICT_ROUTE", "/a?b"),
        ("AIP_PREDICT_ROUTE", "https://a.example/b"),
        ("AIP_HEALTH_ROUTE", "/info"),
        ("AIP_HEALTH_ROUTE", "/predict"),
        ("AIP_HEALTH_ROUTE", "/metrics"),
    ],
)
def test_an_address_that_cannot_be_added_stops_the_start(name, path):
    """What is answered already, or is no path, is named as wrong."""
    with pytest.raises(SettingsError, match=f"{name}="):
        parse_settings({name: path})
