"""Whether each node of a cluster has the topfive that the run was started with."""

from typing import Any

from topfive import __version__
from topfive.errors import BulkRefused

# A node starts a process to answer.
_ANSWER_TIMEOUT_S = 60.0


def tell_version() -> str:
    """Tell the version of topfive on the node that this is called on."""
    return __version__


def require_same_topfive(ray: Any) -> None:
    """Do nothing if all nodes have this version; raises BulkRefused that names one that has not."""
    asked = {
        node["NodeManagerAddress"]: _ask(ray, node["NodeID"])
        for node in ray.nodes()
        if node["Alive"]
    }
    for address, answer in asked.items():
        found = _answer(ray, answer)
        if found != __version__:
            raise BulkRefused(
                f"On node {address} topfive {found or 'cannot be imported'}, and here it is "
                f"{__version__}. Install the same version on each node, with "
                "requirements-bulk.txt."
            )


def _ask(ray: Any, node_id: str) -> Any:
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)
    remote = ray.remote(tell_version).options(num_cpus=0, max_retries=0, scheduling_strategy=here)
    return remote.remote()


def _answer(ray: Any, asked: Any) -> str:
    """Wait for a version; empty where there is none, and where the node has gone meanwhile."""
    try:
        return str(ray.get(asked, timeout=_ANSWER_TIMEOUT_S))
    except (ray.exceptions.RaySystemError, ray.exceptions.RayTaskError):
        return ""
    except ray.exceptions.RayError:
        return __version__
