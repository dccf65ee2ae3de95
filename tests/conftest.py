"""What all tests share: a tiny bundle, real data where it is named, and a watch for leaks."""

import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakSet

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from topfive.bundles.store import Bundle, open_bundle
from topfive.concurrency.limiter import ConcurrencyLimiter, Load
from topfive.input_recipe import InputRecipe
from topfive.registry.registry import Registry

# torch in several processes side by side on all cores: its threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# How long an example takes hangs on what else the machine does, and so it decides nothing.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

TINY_CLASSES = 10
TINY_SIDE = 64
TINY_OPTIONS = {"width_mult": 0.25}


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A models directory that holds one small bundle, `tiny`, of version `1`.

    The processes that run tests side by side share it: it takes seconds to make.
    """
    root = _shared_folder(tmp_path_factory, worker_id) / "models"
    with FileLock(f"{root}.lock"):
        if not (root / "tiny").exists():
            _make_tiny_bundle(root)
    return root


def _shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Find the folder of this run that the processes that run tests side by side share."""
    folder = tmp_path_factory.getbasetemp()
    return folder if worker_id == "master" else folder.parent


def _pull_real_bundle(weights: Path, root: Path) -> Path:
    from topfive.registry.desired import ModelOptions
    from topfive.training.pull import pull_bundle

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        return pull_bundle(ModelOptions("mobilenet_v2", str(weights), None, root))


def _make_tiny_bundle(root: Path) -> None:
    from topfive.training.export import BundlePlan, write_bundle
    from topfive.training.golden import draw_golden_picture

    plan = BundlePlan(
        name="tiny",
        version="1",
        architecture="mobilenet_v2",
        input=InputRecipe(
            resize=72, crop=TINY_SIDE, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        ),
        labels=tuple(f"class {number}" for number in range(TINY_CLASSES)),
        source="local:tiny",
        golden=draw_golden_picture(TINY_SIDE),
        architecture_options=TINY_OPTIONS,
    )
    with warnings.catch_warnings():
        # OpenVINO traces the module in a way that torch would like to see gone.
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        write_bundle(plan, _lively_weights(), root)


@pytest.fixture(scope="session")
def tiny_folder(tiny_models: Path) -> Path:
    """The tiny bundle's folder; never write into it."""
    return tiny_models / "tiny" / "1"


@pytest.fixture(scope="session")
def tiny_bundle(tiny_folder: Path) -> Bundle:
    """The tiny bundle, opened."""
    return open_bundle(tiny_folder)


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """A `.pth` file of MobileNetV2's ImageNet weights."""
    return _named_by("TOPFIVE_TEST_WEIGHTS", "a .pth file of MobileNetV2 trained on ImageNet")


@pytest.fixture(scope="session")
def real_models(
    real_weights: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """A models directory that holds the bundle of the real weights; never write into it.

    The processes that run tests side by side share it: the first that needs it makes it.
    """
    root = _shared_folder(tmp_path_factory, worker_id) / "real-models"
    _pull_real_bundle(real_weights, root)
    return root


@pytest.fixture(scope="session")
def real_bundle(real_models: Path, real_weights: Path) -> Bundle:
    """The bundle pulled from the real weights."""
    return open_bundle(_pull_real_bundle(real_weights, real_models))


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """A folder of photos with a labels.csv: file, class_id, class_name."""
    return _named_by("TOPFIVE_TEST_PHOTOS", "a folder of ImageNet photos with a labels.csv")


@pytest.fixture(scope="session", autouse=True)
def _limiters_and_registries() -> Iterator[tuple[WeakSet[ConcurrencyLimiter], WeakSet[Registry]]]:
    """Note every limiter and registry that any test or fixture makes."""
    limiters: WeakSet[ConcurrencyLimiter] = WeakSet()
    registries: WeakSet[Registry] = WeakSet()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ConcurrencyLimiter, "__init__", _noting(ConcurrencyLimiter.__init__, limiters)
        )
        patch.setattr(Registry, "__init__", _noting(Registry.__init__, registries))
        yield limiters, registries


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(
    _limiters_and_registries: tuple[WeakSet[ConcurrencyLimiter], WeakSet[Registry]],
) -> Iterator[None]:
    """Fail a test that leaves a thread, a child process, a permit or a lease behind."""
    threads, children = set(threading.enumerate()), _children()
    yield
    stray = [one for one in threading.enumerate() if one not in threads and not one.daemon]
    for thread in stray:
        thread.join(timeout=5)
    limiters, registries = _limiters_and_registries
    assert not [thread.name for thread in stray if thread.is_alive()], "threads still run"
    assert not _children() - children, "child processes were not waited for"
    assert all(limiter.load() == Load(0, 0) for limiter in limiters), (
        "a permit or queue slot is still out"
    )
    assert all(registry.lease_count == 0 for registry in registries), "a lease is still out"


def _lively_weights():
    """Make seeded weights whose answers depend on the picture, though nothing was learnt."""
    import torch
    from torch.nn.functional import interpolate

    from topfive.engines.torchvision_models import build_module

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        module = build_module("mobilenet_v2", TINY_OPTIONS, TINY_CLASSES).train()
        for layer in module.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None
        for _ in range(4):
            coarse = torch.randn(32, 3, 4, 4)
            module(interpolate(coarse, size=TINY_SIDE, mode="bilinear"))
        module.classifier[1].weight *= 20
    return module.state_dict()


def _named_by(variable: str, what: str) -> Path:
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"Set {variable} to {what} to run this.")
    return Path(path)


def _noting(init, seen):
    def note(self, *args, **kwargs):
        init(self, *args, **kwargs)
        seen.add(self)

    return note


def _children() -> set[str]:
    """List this process's children, those that ended but were not waited for too."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return set()
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return {path.name for path in processes if _parent(path) == os.getpid()}


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
