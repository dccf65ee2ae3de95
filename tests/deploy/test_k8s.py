"""What deploy/k8s renders is valid, in step with topfive, and may do no more than it needs."""

import re
from pathlib import Path

import pytest

from tests.deploy.resources import (
    K8S,
    Resource,
    compose_build,
    containers,
    deployments,
    has_labels,
    memory_limit_bytes,
    of_kind,
    pods,
    ports_let_in,
    ports_of,
    render,
    selected_pods,
    settings_of,
    sizing_of,
    to_bytes,
    topfive_pod,
    yaml,
)
from topfive.api.health import health_routes
from topfive.errors import SettingsError
from topfive.machine.sizing import MEMORY_SHARE
from topfive.ratelimit.stores import check_store_uri
from topfive.server import gunicorn_options
from topfive.settings import parse_settings

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(path.parent.name for path in K8S.glob("overlays/*/kustomization.yaml"))
# Builds of base with some components.
COMPOSED = {
    "pulled-models": ["pulled-models"],
    "migrating-pods": ["with-postgres", "migrating-pods"],
}
BUILDS = ["base", *COMPOSED, *OVERLAYS]
# The users of the images: of PostgreSQL's, and of all others.
USERS = {"docker.io/library/postgres": 70}
TOPFIVE_USER = 10001
# The oldest and the newest Kubernetes that kubernetes-validate knows of those documented.
VERSIONS = ("1.27", "1.37")
# kubernetes-validate has no schema of these: they are not Kubernetes' own.
CUSTOM_KINDS = {"RayJob", "ServiceMonitor"}


@pytest.fixture(scope="session", params=BUILDS)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The resources of base, of each overlay, and of base with some components."""
    folder = K8S / "overlays" / request.param
    if request.param == "base":
        folder = K8S / "base"
    elif request.param in COMPOSED:
        folder = compose_build(tmp_path_factory.mktemp("k8s"), *COMPOSED[request.param])
    return render(folder)


def resource_files() -> list[Path]:
    """Every file that holds resources as they are sent to Kubernetes."""
    found = []
    for build in sorted(K8S.glob("**/kustomization.yaml")):
        named = yaml.safe_load(build.read_text()).get("resources", [])
        found += [build.parent / name for name in named if name.endswith(".yaml")]
    return found


@pytest.mark.parametrize("path", resource_files(), ids=lambda path: str(path.relative_to(K8S)))
def test_each_file_is_valid_as_it_stands(path: Path) -> None:
    """Every resource file follows Kubernetes' schemas, without kustomize."""
    _assert_valid(list(yaml.safe_load_all(path.read_text())))


def test_every_file_belongs_to_a_build() -> None:
    """No file under deploy/k8s is left out of all kustomizations."""
    builds = list(K8S.glob("**/kustomization.yaml"))
    for path in K8S.glob("**/*.*"):
        near = "".join(one.read_text() for one in builds if one.parent == path.parent)
        assert path in builds or path.name in near, path


def test_rendered_resources_are_valid(rendered: list[Resource]) -> None:
    """What kustomize makes follows Kubernetes' schemas strictly."""
    _assert_valid(rendered)


def test_no_two_resources_have_one_name(rendered: list[Resource]) -> None:
    """Nothing is applied over something else, and all lies in one namespace."""
    names = [(one["kind"], one["metadata"]["name"]) for one in rendered]
    assert len(names) == len(set(names))
    others = [one for one in rendered if one["kind"] != "Namespace"]
    assert {one["metadata"].get("namespace") for one in others} == {"topfive"}


def test_settings_are_accepted(rendered: list[Resource]) -> None:
    """The service starts with the settings that its pods get."""
    settings = parse_settings(settings_of(rendered))
    assert settings.fallback_model == ""


def test_service_links_are_off(rendered: list[Resource]) -> None:
    """Kubernetes sets no variables for Services: topfive would refuse to start with them."""
    with pytest.raises(SettingsError, match="TOPFIVE_SERVICE_HOST"):
        parse_settings({"TOPFIVE_SERVICE_HOST": "10.0.0.1", "TOPFIVE_PORT": "tcp://10.0.0.1:5000"})
    assert {pod["enableServiceLinks"] for pod in pods(rendered)} == {False}


def test_probes_ask_what_topfive_serves(rendered: list[Resource]) -> None:
    """Liveness and start ask /livez, readiness asks /readyz, on the public port."""
    container = topfive_pod(rendered)["containers"][0]
    asked = {
        name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }
    assert {name: get["path"] for name, get in asked.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    assert {get["path"] for get in asked.values()} <= set(health_routes.paths)
    assert {get["port"] for get in asked.values()} == {"http"}


def test_ports_agree(rendered: list[Resource]) -> None:
    """Container, settings, image, Services and network policies mean the same ports."""
    ports = {
        one["name"]: one["containerPort"] for one in topfive_pod(rendered)["containers"][0]["ports"]
    }
    settings = settings_of(rendered)
    exposed = re.search(
        r"^EXPOSE (\d+)", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE
    )
    assert str(ports["http"]) == settings["TOPFIVE_PORT"] == exposed[1]
    assert str(ports["metrics"]) == settings["TOPFIVE_METRICS_PORT"]
    for service in of_kind(rendered, "Service"):
        names = {port["name"] for pod in selected_pods(rendered, service) for port in ports_of(pod)}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    for policy in of_kind(rendered, "NetworkPolicy"):
        numbers = {
            port["containerPort"]
            for pod in selected_pods(rendered, policy)
            for port in ports_of(pod)
        }
        assert set(ports_let_in(policy)) <= numbers


def test_metrics_stay_off_the_public_service(rendered: list[Resource]) -> None:
    """The Service that an ingress uses has one port, and only Prometheus reaches the other."""
    (public,) = (
        one for one in of_kind(rendered, "Service") if one["metadata"]["name"] == "topfive"
    )
    assert [port["targetPort"] for port in public["spec"]["ports"]] == ["http"]
    for policy in of_kind(rendered, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            is_open = "from" not in rule
            assert not is_open or [port["port"] for port in rule["ports"]] == [5000]


def test_everything_selects_pods_that_are_there(rendered: list[Resource]) -> None:
    """Services, disruption budgets, policies, autoscalers and monitors find what they are for."""
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"):
        for one in of_kind(rendered, kind):
            assert selected_pods(rendered, one), one["metadata"]["name"]
    names = {one["metadata"]["name"] for one in of_kind(rendered, "Deployment")}
    for scaler in of_kind(rendered, "HorizontalPodAutoscaler"):
        assert scaler["spec"]["scaleTargetRef"]["name"] in names
    for monitor in of_kind(rendered, "ServiceMonitor"):
        _assert_monitor_finds_its_service(rendered, monitor)


def test_pods_pass_the_restricted_standard(rendered: list[Resource]) -> None:
    """No pod runs as root, gains privileges, writes to its image or talks to the cluster."""
    for pod in pods(rendered):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        (user,) = {USERS.get(one["image"].split(":")[0], TOPFIVE_USER) for one in containers(pod)}
        assert pod["securityContext"]["runAsUser"] == user
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_images_are_pinned(rendered: list[Resource]) -> None:
    """Nothing runs a tag that moves from one release to another."""
    for pod in pods(rendered):
        for container in containers(pod):
            image = container["image"]
            assert not image.endswith(":latest")
            assert ":" in image or image in {"topfive", "topfive-pull"}, "overlays set these tags"


def test_there_is_time_to_drain(rendered: list[Resource]) -> None:
    """The grace period holds the wait before SIGTERM and the longest request after it."""
    pod = topfive_pod(rendered)
    program, wait_s = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    timeout_s = settings_of(rendered)["TOPFIVE_REQUEST_TIMEOUT_S"]
    settings = parse_settings({"TOPFIVE_REQUEST_TIMEOUT_S": timeout_s})
    stop_s = gunicorn_options(settings, sizing_of(pod))["graceful_timeout"]
    assert pod["terminationGracePeriodSeconds"] > int(wait_s) + stop_s


def test_limits_give_the_workers_that_the_documents_name(rendered: list[Resource]) -> None:
    """2 CPUs and 2 GiB make 2 workers of 1 slot; 1 CPU and 1 GiB make 1 of 1."""
    pod = topfive_pod(rendered)
    cpus = int(pod["containers"][0]["resources"]["limits"]["cpu"])
    sizing = sizing_of(pod)
    assert (sizing.workers, sizing.slots) == (cpus, 1)
    assert "memory allows no more" not in sizing.reason


def test_volumes_in_memory_fit_beside_the_workers(rendered: list[Resource]) -> None:
    """/tmp and /dev/shm, when full, stay within the memory that workers leave."""
    pod = topfive_pod(rendered)
    mounted = {one["mountPath"]: one["name"] for one in pod["containers"][0]["volumeMounts"]}
    sizes = {
        one["name"]: one["emptyDir"]["sizeLimit"] for one in pod["volumes"] if "emptyDir" in one
    }
    full_bytes = sum(to_bytes(sizes[mounted[path]]) for path in ("/tmp", "/dev/shm"))
    assert full_bytes < (1 - MEMORY_SHARE) * memory_limit_bytes(pod)


def test_updates_never_take_a_pod_away_first(rendered: list[Resource]) -> None:
    """A new pod is ready before an old one goes, and an autoscaler's choice is not undone."""
    (deployment,) = deployments(rendered, "topfive")
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    scaled = bool(of_kind(rendered, "HorizontalPodAutoscaler"))
    assert ("replicas" in deployment["spec"]) is not scaled


def test_shared_rate_limit_names_a_service_that_is_there(rendered: list[Resource]) -> None:
    """Where counts are shared, the address is Valkey's, and topfive can count there."""
    address = settings_of(rendered).get("TOPFIVE_RATE_LIMIT_STORAGE")
    if address is None:
        assert not deployments(rendered, "valkey")
        return
    host, port = re.fullmatch(r"\w+://([\w-]+):(\d+)/0", address).groups()
    (service,) = (one for one in of_kind(rendered, "Service") if one["metadata"]["name"] == host)
    assert [one["port"] for one in service["spec"]["ports"]] == [int(port)]
    check_store_uri(address)


def test_queue_scaling_asks_for_what_the_adapter_offers() -> None:
    """The autoscaler asks for the metric that the adapter's rule makes of topfive's."""
    folder = K8S / "components" / "queue-scaling"
    (patch,) = yaml.safe_load((folder / "kustomization.yaml").read_text())["patches"]
    (added,) = yaml.safe_load(patch["patch"])
    (rule,) = yaml.safe_load((folder / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    wanted = added["value"]["pods"]["metric"]["name"]
    assert wanted == rule["name"]["as"] == "topfive_queue_depth"
    assert re.match(rule["name"]["matches"], rule["seriesQuery"].partition("{")[0])


def _assert_valid(resources: list[Resource]) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    for resource in resources:
        if resource["kind"] not in CUSTOM_KINDS:
            for version in VERSIONS:
                validator.validate(resource, version, strict=True)


def _assert_monitor_finds_its_service(rendered: list[Resource], monitor: Resource) -> None:
    wanted = monitor["spec"]["selector"]["matchLabels"]
    found = [
        one for one in of_kind(rendered, "Service") if has_labels(one["metadata"]["labels"], wanted)
    ]
    (service,) = found
    (endpoint,) = monitor["spec"]["endpoints"]
    assert [port["name"] for port in service["spec"]["ports"]] == [endpoint["port"]]
    # The alerts select job="topfive".
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "topfive"
