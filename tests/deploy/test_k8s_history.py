"""deploy/k8s/overlays/history: PostgreSQL, the migration before the pods, and the backups."""

import re
from pathlib import Path

import pytest

from tests.deploy.resources import (
    K8S,
    Resource,
    containers,
    deployments,
    is_selected,
    of_kind,
    pod_templates,
    pods,
    render,
    settings_of,
    topfive_pod,
    yaml,
)
from tests.deploy.test_k8s import TOPFIVE_USER, USERS, VERSIONS

ROOT = Path(__file__).parents[2]
RESTORE = K8S / "components" / "postgres-backup" / "restore.yaml"
COMPONENT = "app.kubernetes.io/component"
POSTGRES_PORT = 5432


@pytest.fixture(scope="module")
def rendered() -> list[Resource]:
    """The resources of the overlay, and the Job that puts a copy back."""
    return [*render(K8S / "overlays" / "history"), yaml.safe_load(RESTORE.read_text())]


def only(rendered: list[Resource], kind: str, name: str) -> Resource:
    """Find the resource of a kind and name."""
    (found,) = (one for one in of_kind(rendered, kind) if one["metadata"].get("name") == name)
    return found


def test_putting_back_is_a_valid_job() -> None:
    """restore.yaml, which no build has, follows Kubernetes' schemas too."""
    validator = pytest.importorskip("kubernetes_validate")
    job = yaml.safe_load(RESTORE.read_text())
    # The schema wants a name; `kubectl create` makes one.
    job["metadata"]["name"] = job["metadata"].pop("generateName")
    for version in VERSIONS:
        validator.validate(job, version, strict=True)


def test_no_manifest_holds_a_password(rendered: list[Resource]) -> None:
    """All pods take it from the Secret topfive-secrets, which is no part of the manifests."""
    assert of_kind(rendered, "Secret") == []
    assert re.search(r"://\w+:\w+@", str(rendered)) is None
    named = [one for pod in pods(rendered) for box in containers(pod) for one in box.get("env", [])]
    given = [one for one in named if "PASSWORD" in one["name"]]
    wanted = {"name": "topfive-secrets", "key": "PGPASSWORD"}
    assert len(given) == 4
    assert [one["valueFrom"] for one in given] == [{"secretKeyRef": wanted}] * 4


def test_the_address_is_that_of_the_service(rendered: list[Resource]) -> None:
    """The Service is asked, by the user and database that the first start makes."""
    address = settings_of(rendered)["TOPFIVE_HISTORY_URL"]
    user, host, database = re.fullmatch(r"postgresql://(\w+)@(\w+)/(\w+)", address).groups()
    (port,) = only(rendered, "Service", host)["spec"]["ports"]
    assert port["port"] == POSTGRES_PORT
    (script,) = (one for one in of_kind(rendered, "ConfigMap") if "first-start" in str(one))
    made = script["data"]["create_database.sh"]
    assert f"CREATE ROLE {user} LOGIN" in made
    assert f"CREATE DATABASE {database} OWNER {user};" in made


def test_whoever_needs_postgresql_reaches_it(rendered: list[Resource]) -> None:
    """Pods of topfive, the migration, the backup and putting back get there; nobody else does."""
    (rule,) = only(rendered, "NetworkPolicy", "postgres")["spec"]["ingress"]
    (who,) = rule["from"]
    let_in = [
        one["metadata"]["labels"]
        for one in pod_templates(rendered)
        if is_selected(one["metadata"]["labels"], who["podSelector"])
    ]
    assert sorted(one[COMPONENT] for one in let_in) == ["backup", "backup", "migration", "server"]
    for labels in let_in:
        out = [
            port["port"]
            for policy in of_kind(rendered, "NetworkPolicy")
            if is_selected(labels, policy["spec"]["podSelector"])
            for rule in policy["spec"].get("egress", [])
            for port in rule["ports"]
        ]
        assert {53, POSTGRES_PORT} == set(out)


def test_what_is_applied_first_is_all_that_the_migration_needs(rendered: list[Resource]) -> None:
    """The first step of docs/KUBERNETES.md leaves out the pods, and nothing the migration uses."""
    text = (ROOT / "docs" / "KUBERNETES.md").read_text()
    assert f"-l '{COMPONENT}!=server'" in text
    first = [
        (one["kind"], one["metadata"].get("name"))
        for one in rendered
        if one["metadata"].get("labels", {}).get(COMPONENT) != "server"
    ]
    assert "Deployment" not in {kind for kind, _ in first}
    job = only(rendered, "Job", "topfive-migration")["spec"]["template"]["spec"]
    settings = job["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    needed = {
        ("Namespace", "topfive"),
        ("ConfigMap", settings),
        ("ServiceAccount", job["serviceAccountName"]),
        ("StatefulSet", "postgres"),
        ("Service", "postgres"),
        ("NetworkPolicy", "postgres"),
        ("NetworkPolicy", "topfive-migration"),
        ("Job", "topfive-migration"),
    }
    assert needed - set(first) == set()


def test_the_migration_is_of_the_version_that_will_serve(rendered: list[Resource]) -> None:
    """It has the pods' own image, settings and Secret, and runs `topfive db upgrade`."""
    migration = only(rendered, "Job", "topfive-migration")["spec"]["template"]["spec"]
    (one,), (served,) = migration["containers"], topfive_pod(rendered)["containers"]
    assert one["image"] == served["image"]
    assert one["command"] == ["topfive", "db", "upgrade"]
    assert [next(iter(source.values()))["name"] for source in one["envFrom"]] == [
        next(iter(source.values()))["name"] for source in served["envFrom"]
    ]


def test_pods_may_migrate_themselves_instead() -> None:
    """The init container of migrating-pods is the container of the migration's Job."""
    folder = K8S / "components"
    job = yaml.safe_load((folder / "migration" / "job.yaml").read_text())
    patch = yaml.safe_load((folder / "migrating-pods" / "deployment.yaml").read_text())
    assert (
        patch["spec"]["template"]["spec"]["initContainers"]
        == job["spec"]["template"]["spec"]["containers"]
    )


def test_all_use_one_postgresql(rendered: list[Resource]) -> None:
    """Server, backup and putting back are of one version, which Compose has too."""
    compose = (ROOT / "docker" / "compose.yaml").read_text()
    (version,) = re.findall(r"\$\{POSTGRES_IMAGE:-(\S+)\}", compose)
    (repository,) = USERS
    used = [one["image"] for pod in pods(rendered) for one in containers(pod)]
    assert [one for one in used if one.startswith(repository)] == [version] * 3


def test_copies_are_put_back_from_where_they_are_made(rendered: list[Resource]) -> None:
    """The nightly backup and putting back use one volume, which putting back only reads."""
    making = only(rendered, "CronJob", "postgres-backup")["spec"]["jobTemplate"]["spec"]
    reading = yaml.safe_load(RESTORE.read_text())["spec"]
    claims = [
        one["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
        for one in (making, reading)
    ]
    assert set(claims) == {only(rendered, "PersistentVolumeClaim", claims[0])["metadata"]["name"]}
    (container,) = reading["template"]["spec"]["containers"]
    assert container["volumeMounts"][0] == {
        "name": "backups",
        "mountPath": "/backups",
        "readOnly": True,
    }


def test_putting_back_runs_as_the_backup_does(rendered: list[Resource]) -> None:
    """With the user of PostgreSQL's image, and no more rights than any other pod."""
    making = only(rendered, "CronJob", "postgres-backup")["spec"]["jobTemplate"]["spec"]
    reading = yaml.safe_load(RESTORE.read_text())["spec"]
    one, other = (spec["template"]["spec"] for spec in (making, reading))
    assert one["securityContext"] == other["securityContext"]
    assert one["containers"][0]["securityContext"] == other["containers"][0]["securityContext"]


def test_without_postgresql_pods_still_start(rendered: list[Resource]) -> None:
    """A database that is away keeps no pod of the overlay from starting: none waits for it."""
    assert "initContainers" not in topfive_pod(rendered)
    assert topfive_pod(rendered)["securityContext"]["runAsUser"] == TOPFIVE_USER
    assert len(deployments(rendered, "topfive")) == 1
