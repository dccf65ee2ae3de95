"""Writes the bytecode of every module that a serving worker imports, or an actor, and of no other.

The base image has none, and a container with a read-only disk cannot write any. It is marked as
never to be compared with its source: times of files differ from build to build.
"""

import py_compile
import sys
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from topfive.api import create_app
from topfive.bundles.store import demo_root
from topfive.settings import parse_settings

# What serves beside the app: the command, Gunicorn's worker, the health check.
BESIDE_THE_APP = ("topfive.cli", "topfive.server.adapter", "urllib.request")
# Where Ray is: what its nodes, its actors and a bulk run begin with.
FOR_BULK = (
    "ray.data",
    "ray._private.log_monitor",
    "ray._private.runtime_env.agent.main",
    "ray._private.workers.default_worker",
    "ray.autoscaler._private.monitor",
    "ray.dashboard.dashboard",
    "ray.dashboard.modules.job.job_agent",
    "ray.dashboard.modules.job.job_head",
    "ray.scripts.scripts",
    "ray.util.client.server",
    "topfive.bulk.run",
    "topfive.bulk.cluster.actor",
)


def main() -> None:
    """Classify one picture as a worker does, then compile all that this has imported."""
    _classify_once()
    for name in BESIDE_THE_APP + (FOR_BULK if find_spec("ray") else ()):
        import_module(name)
    sources = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for source in sorted(one for one in sources if one and one.endswith(".py")):
        if Path(source).is_file() and source != __file__:
            py_compile.compile(
                source,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )


def _classify_once() -> None:
    picture = next(demo_root().glob("digits/*/sample-eight.png")).read_bytes()
    with TemporaryDirectory() as empty:
        settings = parse_settings({"TOPFIVE_MODEL": "digits", "TOPFIVE_MODELS_DIR": empty})
        client = create_app(settings).test_client()
        for path in ("/health", "/info", "/openapi.json", "/docs", "/"):
            client.get(path, headers={"Accept": "text/html"})
        answer = client.post("/predict", data={"file": (BytesIO(picture), "eight.png")})
    best = answer.get_json()["predictions"][0]["class_name"]
    if best != "eight":
        sys.exit(f"The image does not classify rightly: it took an eight for {best}.")


main()
