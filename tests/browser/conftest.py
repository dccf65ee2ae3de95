"""A Chromium and the servers that it looks at; without Chromium these tests are skipped."""

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live_server import LiveServer, run_server
from topfive.bundles.store import demo_root

if TYPE_CHECKING:
    from tests.browser.chromium import Page

KEY = "the ключ"
PREDICT_KEY = "for predictions alone"
HOSTILE_NAME = '<img src=x onerror="document.title=1">'
_AXE = "axe-core@4.14.1"


@pytest.fixture(scope="package")
def digits() -> Path:
    """The folder of the embedded bundle."""
    (folder,) = (demo_root() / "digits").iterdir()
    return folder


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with the digits, healthy and open to all."""
    with run_server(tmp_path_factory.mktemp("open"), model="digits", workers="1") as running:
        yield running


@pytest.fixture(scope="package")
def guarded(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Iterator[LiveServer]:
    """The service on a fallback whose classes have hostile names, with a key and a rate limit."""
    folder = tmp_path_factory.mktemp("guarded")
    fallback = _with_labels(digits, folder / "fallback", [f"{HOSTILE_NAME}{n}" for n in range(10)])
    with ExitStack() as stack:
        with _no_way_out():
            server = run_server(
                folder,
                fallback_model=str(fallback),
                models_dir=str(folder / "models"),
                api_keys=hashlib.sha256(KEY.encode()).hexdigest(),
                rate_limit="1/hour",
            )
            running = stack.enter_context(server)
        yield running


@pytest.fixture(scope="package")
def modelless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service without any model."""
    folder = tmp_path_factory.mktemp("modelless")
    with ExitStack() as stack:
        with _no_way_out():
            server = run_server(folder, is_ready=False, models_dir=str(folder / "models"))
            running = stack.enter_context(server)
        yield running


@pytest.fixture(scope="package")
def numerals(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A models directory with two versions of one model: the second takes threes for fives."""
    root = tmp_path_factory.mktemp("numerals")
    names = (digits / "labels.txt").read_text("utf-8").split()
    swapped = [{"three": "five", "five": "three"}.get(one, one) for one in names]
    for version, labels in (("1", names), ("2", swapped)):
        folder = root / "numerals" / version
        _with_labels(digits, folder, labels, name="numerals", version=version)
    return root


@pytest.fixture
def several(numerals: Path, several_models: LiveServer) -> LiveServer:
    """The service with two versions of a model, both ready, and open to all."""
    loaded = several_models.request("POST", "/models/numerals/versions/2/load?wait_s=60")
    assert loaded.status == 202, loaded.body
    return several_models


@pytest.fixture(scope="package")
def several_models(
    tmp_path_factory: pytest.TempPathFactory, numerals: Path
) -> Iterator[LiveServer]:
    """The service with one version of a model; another one can be loaded."""
    folder = tmp_path_factory.mktemp("several")
    with run_server(folder, model="numerals@1", models_dir=str(numerals)) as running:
        yield running


@pytest.fixture(scope="package")
def limited(tmp_path_factory: pytest.TempPathFactory, numerals: Path) -> Iterator[LiveServer]:
    """The service with two models, a key and a rate limit."""
    with run_server(
        tmp_path_factory.mktemp("limited"),
        model="numerals@1",
        models="numerals@2",
        models_dir=str(numerals),
        api_keys=hashlib.sha256(KEY.encode()).hexdigest(),
        rate_limit="1/hour",
    ) as running:
        yield running


@pytest.fixture(scope="package")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with the digits and a history."""
    folder = tmp_path_factory.mktemp("keeping")
    url = f"sqlite:///{folder / 'history.db'}"
    with run_server(folder, model="digits", history_url=url) as running:
        yield running


@pytest.fixture(scope="package")
def guarded_keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with a history in which nothing is, and two keys, one of which may label."""
    folder = tmp_path_factory.mktemp("guarded_keeping")
    digests = [hashlib.sha256(one.encode()).hexdigest() for one in (KEY, PREDICT_KEY)]
    with run_server(
        folder,
        model="digits",
        history_url=f"sqlite:///{folder / 'history.db'}",
        api_keys=f"{digests[0]}:admin,{digests[1]}:predict",
    ) as running:
        yield running


@pytest.fixture(scope="package")
def imagenet(tmp_path_factory: pytest.TempPathFactory, real_weights: Path) -> Iterator[LiveServer]:
    """The service with MobileNetV2's real weights."""
    with run_server(tmp_path_factory.mktemp("imagenet"), weights=str(real_weights)) as running:
        yield running


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    """A running Chromium."""
    # Not at the top: where selenium is absent, this file is read all the same.
    from tests.browser.chromium import find_programs, run_chromium

    programs = find_programs()
    if programs is None:
        pytest.skip("Install chromium and chromedriver (Debian: chromium-driver) to run this.")
    with run_chromium(programs, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(chromium: "Page") -> Iterator["Page"]:
    """The page, not yet opened; at the end nothing may have reached the console.

    Chromium itself notes there every request that was refused or had no answer.
    """
    chromium.reset()
    yield chromium
    assert [one for one in chromium.console() if one["source"] != "network"] == []


@pytest.fixture(scope="package")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, an accessibility checker."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Install npm to run this.")
    try:
        subprocess.run(
            [npm, "pack", "--silent", _AXE], cwd=folder, check=True, capture_output=True, timeout=30
        )
    except subprocess.SubprocessError:
        pytest.skip(f"npm could not fetch {_AXE}.")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        script = packed.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def _with_labels(bundle: Path, folder: Path, labels: list[str], **changes: str) -> Path:
    """Copy a bundle, and give its classes other names; `changes` are those of its manifest."""
    shutil.copytree(bundle, folder)
    text = "\n".join(labels) + "\n"
    (folder / "labels.txt").write_text(text)
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"]["labels.txt"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(manifest | changes))
    return folder


@contextmanager
def _no_way_out() -> Iterator[None]:
    """Let no download of what is started here succeed: nothing answers at its proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
            patch.setenv(name.upper(), "http://127.0.0.1:9")
        yield
