"""Several models and versions in one server: what a caller names answers, and nothing else."""

import base64
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.functional.start import refused_start, run_topfive
from tests.functional.test_metrics import samples
from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg
from tests.unit.bundle_copies import copy_bundle
from topfive.bundles.official import official_weights
from topfive.bundles.store import Bundle, read_manifest
from topfive.bundles.versions import bundle_digest
from topfive.engines.torchvision_models import build_module, import_torchvision
from topfive.training.export import BundlePlan, write_bundle
from topfive.training.golden import draw_golden_picture


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models directory with three versions of flowers, the highest not the newest."""
    root = tmp_path_factory.mktemp("several") / "models"
    for version, created in (
        ("1.10.0", "2026-01-01"),
        ("1.9.0", "2026-01-02"),
        ("1", "2026-02-01"),
    ):
        folder = root / "flowers" / version
        copy_bundle(tiny_folder, folder, name="flowers", version=version, created=created)
    return root


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[LiveServer]:
    """Two workers with flowers 1.9.0 and 1.10.0 and the digits; flowers 1 is not loaded."""
    with run_server(
        models.parent, model="flowers@1.9.0", models="digits, flowers@1.10.0", workers="2"
    ) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("flowers", ("flowers", "1.9.0")),
        ("flowers/versions/1.10.0", ("flowers", "1.10.0")),
        ("flowers@1.10.0", ("flowers", "1.10.0")),
        ("digits", ("digits", "1")),
    ],
)
def test_the_open_inference_protocol_names_models_in_its_paths(
    server: LiveServer, path: str, who: tuple[str, str]
) -> None:
    """Metadata, readiness and predictions are those of the model and version in the path."""
    found = server.get(f"/v2/models/{path}").json
    assert (found["name"], who[1] in found["versions"]) == (who[0], True)
    assert server.get(f"/v2/models/{path}/ready").json == {"name": found["name"], "ready": True}
    text = base64.b64encode(jpeg()).decode()
    asked = {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}]}
    answer = server.request("POST", f"/v2/models/{path}/infer", json.dumps(asked).encode()).json
    assert (answer["model_name"], answer["model_version"]) == who


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("flowers/versions/1", 503, "model_unavailable"),
        ("flowers/versions/7", 404, "model_not_found"),
        ("flower", 404, "model_not_found"),
    ],
)
def test_the_open_inference_protocol_tells_what_is_not_loaded(
    server: LiveServer, path: str, status: int, error: str
) -> None:
    """Known and not loaded is 503, and not ready; what nobody knows is 404."""
    answer = server.get(f"/v2/models/{path}")
    assert (answer.status, answer.json["error"].partition(":")[0]) == (status, error)
    assert server.get(f"/v2/models/{path}/ready").status == status


def _who(server: LiveServer, query: str) -> tuple[str, str]:
    answer = server.upload(jpeg(), f"/predict{query}")
    assert answer.status == 200, answer.json
    return answer.json["model"]["name"], answer.json["model"]["version"]


@pytest.mark.parametrize(
    ("query", "who"),
    [
        ("", ("flowers", "1.9.0")),
        ("?model=flowers", ("flowers", "1.9.0")),
        ("?model=flowers&version=1.10.0", ("flowers", "1.10.0")),
        ("?model=flowers@1.10.0", ("flowers", "1.10.0")),
        ("?model=flowers@1.10.0&version=1.10.0", ("flowers", "1.10.0")),
        ("?version=1.10.0", ("flowers", "1.10.0")),
        ("?version=latest", ("flowers", "1.10.0")),
        ("?model=digits", ("digits", "1")),
    ],
)
def test_what_is_named_answers(server: LiveServer, query: str, who: tuple[str, str]) -> None:
    """Every answer tells the version that made it, whichever worker gave it."""
    for _ in range(4):
        assert _who(server, query) == who


def test_a_digest_names_a_version(server: LiveServer, models: Path) -> None:
    """The first 12 digits of a bundle's digest will do; of equal bundles the highest answers."""
    digest = bundle_digest(read_manifest(models / "flowers" / "1.9.0"))
    assert _who(server, f"?model=flowers&version=sha256:{digest[:12]}") == ("flowers", "1.10.0")


@pytest.mark.parametrize(
    ("query", "status", "code", "told"),
    [
        ("?model=flower", 404, "model_not_found", "Did you mean `flowers`?"),
        ("?model=%3Cscript%3E", 404, "model_not_found", "Known: `digits`, `flowers`."),
        ("?model=../flowers", 404, "model_not_found", "`flowers`"),
        ("?version=1.9.1", 404, "model_not_found", "`1.9.0`"),
        ("?model=flowers&version=..%2F1", 404, "model_not_found", "no such version of flowers"),
        ("?model=flowers&version=", 404, "model_not_found", "no such version of flowers"),
        ("?version=1", 503, "model_unavailable", "flowers 1 is known, but not loaded."),
        ("?model=flowers@1&version=2", 400, "invalid_parameter", "two versions"),
    ],
)
def test_what_is_not_loaded_is_told(
    server: LiveServer, query: str, status: int, code: str, told: str
) -> None:
    """A typing error gets the nearest names, a model that is here how to load it."""
    refused = server.upload(jpeg(), f"/predict{query}")
    assert (refused.status, refused.code) == (status, code)
    assert told in refused.json["detail"]
    assert "script" not in refused.json["detail"]
    assert (refused.headers["Retry-After"] is not None) == (status == 503)


def test_health_and_info_tell_of_the_default_model(server: LiveServer) -> None:
    """The other models change nothing of what they tell."""
    health, model = server.get("/health").json, server.get("/info").json["model"]
    assert (health["status"], health["model"], health["model_version"]) == (
        "healthy", "flowers", "1.9.0",
    )  # fmt: skip
    assert (model["name"], model["version"]) == ("flowers", "1.9.0")


def test_metrics_tell_the_memory_of_each(server: LiveServer) -> None:
    """Each loaded model has its bytes, and one that is not loaded has none."""
    told = samples(server)
    taken = {name: value for name, value in told.items() if name.startswith("topfive_model_mem")}
    assert {name.partition("{")[2] for name in taken} == {
        'model="digits",version="1"}',
        'model="flowers",version="1.10.0"}',
        'model="flowers",version="1.9.0"}',
    }
    assert min(taken.values()) > 0


def test_the_latest_is_the_highest_version(models: Path) -> None:
    """A name alone means the highest semantic version, in settings and on the command line."""
    done = run_topfive(
        models.parent, "doctor", model="flowers", models="digits,flowers@1.9.0,flowers@7,resnet50"
    )
    for told in ("flowers 1.10.0", "digits 1", "flowers 1.9.0", "flowers: not ready",
                 "resnet50: not here", "memory for models"):  # fmt: skip
        assert told in done.stdout, told


def test_models_that_cannot_be_loaded_stop_the_start(models: Path) -> None:
    """What is wrong with any of them is told at once, with the names that would do."""
    told = refused_start(
        models.parent, model="flowers@3", models="flower, flowers@sha256:000000000000"
    )
    assert "There is no version '3' of flowers" in told
    assert "1.10.0" in told
    assert "There is no model 'flower'. Did you mean flowers? Known: digits, flowers; " in told
    assert "TOPFIVE_MODELS: There is no version 'sha256:000000000000' of flowers" in told
    told = refused_start(models.parent, model="mobilenet_v2@9", fallback_model="flowers@8")
    assert "no version '9' of the official mobilenet_v2. Known: imagenet1k-v1, " in told
    assert "TOPFIVE_FALLBACK_MODEL=flowers@8: There is no version '8'" in told
    told = refused_start(models.parent, models="flowers@Neu!")
    assert "TOPFIVE_MODELS='flowers@Neu!': a version has small letters" in told


def test_models_that_need_too_much_memory_stop_the_start(models: Path) -> None:
    """The message says how much they need, how much there is, and what to do."""
    told = refused_start(
        models.parent, model="flowers", models="digits", model_memory_bytes="30000000"
    )
    assert "need about 5" in told
    assert "models may take 29 MB" in told
    assert "TOPFIVE_MODEL_MEMORY_BYTES" in told


def _make_official(architecture: str, state_dict: Any, root: Path) -> None:
    """Write a bundle that passes for an official one."""
    official = official_weights(architecture)
    names = import_torchvision().models.get_model_weights(architecture).DEFAULT.meta["categories"]
    plan = BundlePlan(
        name=architecture,
        version=official.version,
        architecture=architecture,
        input=official.input,
        labels=tuple(names),
        source=official.url,
        golden=draw_golden_picture(official.input.crop),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        write_bundle(plan, state_dict, root)


def test_both_architectures_answer_in_one_server(real_bundle: Bundle, tmp_path: Path) -> None:
    """MobileNetV2 and ResNet-50 are loaded by both workers, and each answers when it is named."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        resnet = build_module("resnet50", {}, 1000).state_dict()
    root = tmp_path / "models"
    _make_official("resnet50", resnet, root)
    official = official_weights("mobilenet_v2")
    copy_bundle(
        real_bundle.folder,
        root / "mobilenet_v2" / official.version,
        name="mobilenet_v2",
        version=official.version,
        source=official.url,
    )
    with run_server(tmp_path, model="mobilenet_v2", models="resnet50", workers="2") as server:
        for _ in range(4):
            assert _who(server, "") == ("mobilenet_v2", "imagenet1k-v2")
            assert _who(server, "?model=resnet50") == ("resnet50", "imagenet1k-v2")
        taken = {
            name.split('"')[1]: bytes_taken
            for name, bytes_taken in samples(server).items()
            if name.startswith("topfive_model_memory_bytes{")
        }
    assert 14e6 < taken["mobilenet_v2"] < 100e6 < taken["resnet50"] < 300e6
