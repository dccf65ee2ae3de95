"""Renders deploy/k8s and reads what came out."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from topfive.machine.probe import Machine
from topfive.machine.sizing import Sizing, SizingOptions, plan_sizing

yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")

Resource = dict[str, Any]

K8S = Path(__file__).parents[2] / "deploy" / "k8s"
# `components` came with kustomize 3.7, which kubectl has from this version on.
_LEAST_KUBECTL_MINOR = 21
_UNITS = {"Mi": 1024**2, "Gi": 1024**3}
_POD_OWNERS = {"Deployment", "StatefulSet", "Job", "CronJob"}


def compose_build(folder: Path, *components: str, base: str = "base") -> Path:
    """Write a build of base, or of another folder, with some components into `folder`."""
    build = {
        "namespace": "topfive",
        "resources": [os.path.relpath(K8S / base, folder.resolve())],
        "components": [
            os.path.relpath(K8S / "components" / component, folder.resolve())
            for component in components
        ],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(build))
    return folder


def render(folder: Path) -> list[Resource]:
    """List the resources that kustomize makes of a folder."""
    done = run([*_kustomize(), str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def _kustomize() -> list[str]:
    """Find a kustomize, alone or in kubectl, that knows components."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if not shutil.which("kubectl"):
        pytest.skip("Neither kustomize nor kubectl is here.")
    command = ["kubectl", "version", "--client", "--output=json"]
    found = run(command, capture_output=True, text=True, check=True).stdout
    minor = re.match(r"v1\.(\d+)", json.loads(found)["clientVersion"]["gitVersion"])
    if not minor or int(minor[1]) < _LEAST_KUBECTL_MINOR:
        pytest.skip(f"This kubectl is older than 1.{_LEAST_KUBECTL_MINOR}: it knows no components.")
    return ["kubectl", "kustomize"]


def of_kind(rendered: list[Resource], kind: str) -> list[Resource]:
    """List the resources of a kind."""
    return [one for one in rendered if one["kind"] == kind]


def deployments(rendered: list[Resource], name: str) -> list[Resource]:
    """List the Deployments of a name: one or none."""
    return [one for one in of_kind(rendered, "Deployment") if one["metadata"]["name"] == name]


def pod_templates(rendered: list[Resource]) -> list[Resource]:
    """List the templates of all pods, those that end by themselves too."""
    owners = [one["spec"] for one in rendered if one["kind"] in _POD_OWNERS]
    return [one.get("jobTemplate", {"spec": one})["spec"]["template"] for one in owners]


def pods(rendered: list[Resource]) -> list[Resource]:
    """List the specification of every pod."""
    return [one["spec"] for one in pod_templates(rendered)]


def topfive_pod(rendered: list[Resource]) -> Resource:
    """Return the specification of topfive's pods."""
    (deployment,) = deployments(rendered, "topfive")
    return deployment["spec"]["template"]["spec"]


def containers(pod: Resource) -> Iterator[Resource]:
    """Go through all containers of a pod, those that run before it too."""
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def ports_of(pod: Resource) -> list[Resource]:
    """List the ports on which a pod listens."""
    return [port for container in pod["containers"] for port in container.get("ports", [])]


def settings_of(rendered: list[Resource]) -> dict[str, str]:
    """Return the settings of topfive's pods; all of its containers use the same."""
    (found,) = (
        one
        for one in of_kind(rendered, "ConfigMap")
        if one["metadata"]["name"].startswith("topfive-settings")
    )
    used = {
        source["configMapRef"]["name"]
        for container in containers(topfive_pod(rendered))
        for source in container["envFrom"]
        if "configMapRef" in source
    }
    assert used == {found["metadata"]["name"]}
    return found["data"]


def selected_pods(rendered: list[Resource], resource: Resource) -> list[Resource]:
    """List the pods that a Service, budget, policy or Deployment means."""
    spec = resource["spec"]
    selector = spec.get("selector") or spec["podSelector"]
    return [
        one["spec"]
        for one in pod_templates(rendered)
        if is_selected(one["metadata"]["labels"], selector)
    ]


def is_selected(labels: dict[str, str], selector: Resource) -> bool:
    """Tell whether a selector of either kind means something that has these labels."""
    if not {"matchLabels", "matchExpressions"} & set(selector):
        return has_labels(labels, selector)
    asked = selector.get("matchExpressions", [])
    return has_labels(labels, selector.get("matchLabels", {})) and all(
        labels.get(one["key"]) in one["values"] for one in asked if one["operator"] == "In"
    )


def has_labels(labels: dict[str, str], wanted: dict[str, str]) -> bool:
    """Tell whether all wanted labels are there."""
    return wanted.items() <= labels.items()


def ports_let_in(policy: Resource) -> Iterator[int]:
    """Go through the ports that a network policy opens."""
    for rule in policy["spec"].get("ingress", []):
        yield from (port["port"] for port in rule["ports"])


def sizing_of(pod: Resource) -> Sizing:
    """Tell how many workers and slots topfive chooses in a pod, on a machine with room."""
    limits = pod["containers"][0]["resources"]["limits"]
    machine = Machine(
        affinity_cpus=64,
        cpu_quota=float(limits["cpu"]),
        memory_bytes=256 * 1024**3,
        memory_limit_bytes=memory_limit_bytes(pod),
        cpu_model="",
        cpu_flags=frozenset(),
    )
    return plan_sizing(machine, SizingOptions())


def memory_limit_bytes(pod: Resource) -> int:
    """Return a pod's memory limit in bytes."""
    return to_bytes(pod["containers"][0]["resources"]["limits"]["memory"])


def to_bytes(quantity: str) -> int:
    """Turn a quantity such as 2Gi into bytes."""
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]
