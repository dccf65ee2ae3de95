"""deploy/k8s/bulk: a RayJob that KubeRay takes, and that runs what a person would type."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.resources import (
    K8S,
    Resource,
    compose_build,
    is_selected,
    of_kind,
    render,
    to_bytes,
    yaml,
)
from tests.deploy.test_k8s import TOPFIVE_USER, VERSIONS

ROOT = Path(__file__).parents[2]
FOLDER = K8S / "bulk"
CRD = "TOPFIVE_TEST_KUBERAY_CRD"
IMAGE = "registry.example.org/topfive-bulk:0.1.0"
# What KubeRay 1.5 calls the fields that are used here, and of what type they are.
JOB_FIELDS = {
    "entrypoint": str,
    "submissionMode": str,
    "backoffLimit": int,
    "activeDeadlineSeconds": int,
    "shutdownAfterJobFinishes": bool,
    "ttlSecondsAfterFinished": int,
    "submitterPodTemplate": dict,
    "rayClusterSpec": dict,
}
CLUSTER_FIELDS = {
    "rayVersion": str,
    "authOptions": dict,
    "headGroupSpec": dict,
    "workerGroupSpecs": list,
}
HEAD_FIELDS = {"rayStartParams": dict, "template": dict}
WORKER_FIELDS = HEAD_FIELDS | {
    "groupName": str,
    "replicas": int,
    "minReplicas": int,
    "maxReplicas": int,
}


@pytest.fixture(scope="module", params=["cpu", "gpu"])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Resource:
    """The RayJob as it is sent to Kubernetes, without GPUs and with them."""
    folder = FOLDER
    if request.param == "gpu":
        made = tmp_path_factory.mktemp("gpu")
        folder = compose_build(made, "bulk-gpu", base="bulk")
    (found,) = of_kind(render(folder), "RayJob")
    return found


@pytest.fixture(scope="module")
def rendered() -> list[Resource]:
    """All that is applied."""
    return render(FOLDER)


def templates(job: Resource) -> dict[str, Any]:
    """Give the pods of a RayJob by what they are for."""
    cluster = job["spec"]["rayClusterSpec"]
    return {
        "submitter": job["spec"]["submitterPodTemplate"],
        "head": cluster["headGroupSpec"]["template"],
        "workers": cluster["workerGroupSpecs"][0]["template"],
    }


def containers(job: Resource) -> list[Any]:
    """List all containers of a RayJob."""
    return [one for each in templates(job).values() for one in each["spec"]["containers"]]


def test_it_follows_kuberays_own_schema(job: Resource) -> None:
    """The resource definition that the operator installs accepts every field and value."""
    place = os.environ.get(CRD)
    if not place:
        pytest.skip(f"{CRD} is not set: it names KubeRay's file ray.io_rayjobs.yaml.")
    assert problems_with(job, yaml.safe_load(Path(place).read_text())) == []


def test_a_field_that_a_definition_lacks_is_found(job: Resource) -> None:
    """Holding it against a resource definition finds what is misspelt and of another type."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    types = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array"}
    fields = {name: {"type": types[kind]} for name, kind in JOB_FIELDS.items()}
    spec = {"type": "object", "properties": fields}
    fields |= {"rayClusterSpec": anything, "submitterPodTemplate": anything}
    schema = {"type": "object", "properties": {name: {} for name in job} | {"spec": spec}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": schema}}
    definition = {"spec": {"group": "ray.io", "versions": [version]}}
    assert problems_with(job, definition) == []
    misspelt = job | {"spec": job["spec"] | {"entryPoint": "topfive", "backoffLimit": "3"}}
    assert len(problems_with(misspelt, definition)) == 2


def problems_with(job: Resource, definition: Any) -> list[str]:
    """List what a resource definition does not accept, unknown fields included."""
    validator = pytest.importorskip("jsonschema").Draft4Validator
    (schema,) = (
        one["schema"]["openAPIV3Schema"]
        for one in definition["spec"]["versions"]
        if f"{definition['spec']['group']}/{one['name']}" == job["apiVersion"]
    )
    return [one.message for one in validator(strict(schema)).iter_errors(job)]


def strict(schema: Any) -> Any:
    """Refuse fields that a schema does not name, as `kubectl apply` does."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(one) for name, one in schema.items()}
    is_open = made.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in made
    if isinstance(made.get("properties"), dict) and made.get("type") == "object" and not is_open:
        made["additionalProperties"] = False
    return made


def test_the_fields_are_those_of_kuberay(job: Resource) -> None:
    """None is misspelt or of another type, and none that must be there is missing."""
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    _assert_fields(spec, JOB_FIELDS)
    _assert_fields(cluster, CLUSTER_FIELDS)
    _assert_fields(cluster["headGroupSpec"], HEAD_FIELDS)
    for group in cluster["workerGroupSpecs"]:
        _assert_fields(group, WORKER_FIELDS)
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert {type(value) for value in group["rayStartParams"].values()} == {str}


def _assert_fields(given: Any, fields: dict[str, type]) -> None:
    assert {name: type(value) for name, value in given.items()} == fields


def test_its_pods_follow_kubernetes_schemas(job: Resource) -> None:
    """Their templates are Kubernetes' own, in its oldest and newest version that is documented."""
    validator = pytest.importorskip("kubernetes_validate")
    for name, template in templates(job).items():
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **template["metadata"]},
            "spec": template["spec"],
        }
        for version in VERSIONS:
            validator.validate(pod, version, strict=True)


def test_its_pods_pass_the_restricted_standard(job: Resource) -> None:
    """None runs as root, gains privileges, writes to its image or talks to the cluster."""
    for template in templates(job).values():
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == TOPFIVE_USER
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(job):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_all_pods_have_one_image_whose_tag_is_pinned(job: Resource) -> None:
    """So that a cluster has one version of topfive and of Ray; kustomize sets it everywhere."""
    assert {one["image"] for one in containers(job)} == {IMAGE}


def test_secrets_are_named_and_not_written(job: Resource, rendered: list[Resource]) -> None:
    """Head and workers take them from one Secret, which is no part of the manifests."""
    assert of_kind(rendered, "Secret") == []
    _, *ray = containers(job)
    wanted = [{"secretRef": {"name": "topfive-bulk", "optional": True}}]
    assert [one["envFrom"] for one in ray] == [wanted, wanted]
    assert not [one for each in containers(job) for one in each["env"] if "KEY" in one["name"]]


def test_ray_is_that_of_the_image(job: Resource) -> None:
    """KubeRay is told the version that the requirements pin."""
    named = job["spec"]["rayClusterSpec"]["rayVersion"]
    for name in ("requirements-bulk.txt", "requirements-cluster.txt"):
        (pinned,) = re.findall(r"^ray\[.*\]==(.*)$", (ROOT / name).read_text(), re.MULTILINE)
        assert named == pinned


def test_the_cluster_ends_with_the_run_and_is_tried_again(job: Resource) -> None:
    """Nobody pays for a cluster that has nothing to do, and a new one goes on with the run."""
    spec = job["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["backoffLimit"] > 0
    assert spec["activeDeadlineSeconds"] > 0
    assert "--resume" in shlex.split(spec["entrypoint"])


def test_the_command_is_one_that_topfive_takes(job: Resource) -> None:
    """Its options are those of `topfive bulk`, whose cluster is the one it runs in."""
    from topfive.cli.bulk.score import score

    program, command, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (program, command) == ("topfive", "bulk")
    asked = score.make_context("bulk", arguments).params
    assert asked["pictures"].startswith("s3://")
    assert asked["out"].startswith("s3://")
    assert asked["address"] == "auto"


def test_the_head_classifies_nothing(job: Resource) -> None:
    """Actors come to the workers alone, one for each CPU."""
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (group,) = cluster["workerGroupSpecs"]
    assert "num-cpus" not in group["rayStartParams"], "KubeRay takes it from the limit"


def test_memory_holds_what_lies_in_it(job: Resource) -> None:
    """The object store fits into /dev/shm, which fits into the limit with much to spare."""
    cluster = job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (shm,) = (one["emptyDir"] for one in pod["volumes"] if one["name"] == "shm")
        limit = pod["containers"][0]["resources"]["limits"]["memory"]
        assert int(group["rayStartParams"]["object-store-memory"]) < to_bytes(shm["sizeLimit"])
        assert to_bytes(shm["sizeLimit"]) < to_bytes(limit) / 8
        assert pod["containers"][0]["resources"]["requests"]["memory"] == limit


def test_probes_ask_what_a_ray_node_answers(job: Resource) -> None:
    """KubeRay would ask by wget, which the image has not."""
    _, *ray = containers(job)
    for one in ray:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = one[probe]["httpGet"]
            assert (asked["path"], asked["port"]) == ("/api/local_raylet_healthz", 52365)


def test_only_the_run_itself_and_the_operator_come_in(
    job: Resource, rendered: list[Resource]
) -> None:
    """Whoever reached Ray could have it run anything; out go names and HTTPS alone."""
    (policy,) = (one["spec"] for one in of_kind(rendered, "NetworkPolicy"))
    for template in templates(job).values():
        assert is_selected(template["metadata"]["labels"], policy["podSelector"])
    own, operator = policy["ingress"]
    assert own == {"from": [{"podSelector": policy["podSelector"]}]}
    assert [one["port"] for one in operator["ports"]] == [8265]
    among, out = policy["egress"]
    assert among == {"to": [{"podSelector": policy["podSelector"]}]}
    assert {one["port"] for one in out["ports"]} == {53, 443}


def test_accounts_are_there(job: Resource, rendered: list[Resource]) -> None:
    """The service account that pods name is applied with them."""
    made = {one["metadata"]["name"] for one in of_kind(rendered, "ServiceAccount")}
    assert {one["spec"]["serviceAccountName"] for one in templates(job).values()} == made


def test_the_overlay_of_the_documents_does_what_they_say(tmp_path: Path) -> None:
    """With its image in all pods, its command and its number of workers."""
    text = (ROOT / "docs" / "KUBERNETES.md").read_text().partition("## Bulk runs on Ray")[2]
    overlay = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1]
    beside = os.path.relpath(FOLDER, tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(overlay.replace("../../bulk", beside))
    (found,) = of_kind(render(tmp_path), "RayJob")
    assert {one["image"] for one in containers(found)} == {"ghcr.io/you/topfive-bulk:0.1.0"}
    assert "s3://my-bucket/2026/" in found["spec"]["entrypoint"]
    (group,) = found["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert [group[name] for name in ("replicas", "minReplicas", "maxReplicas")] == [20, 20, 20]


def test_gpus_are_asked_for_by_workers_alone(job: Resource) -> None:
    """One each, where the component is built in; then the torch engine is asked for."""
    wanted = {
        name: template["spec"]["containers"][0]["resources"].get("limits", {}).get("nvidia.com/gpu")
        for name, template in templates(job).items()
    }
    has_gpu = "--engine torch" in job["spec"]["entrypoint"]
    assert wanted == {"submitter": None, "head": None, "workers": "1" if has_gpu else None}
