"""docker/compose.yaml: what its services may do, and in which order they start."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.clouds import yaml
from topfive.settings import Settings, parse_settings, variable_name

ROOT = Path(__file__).parents[2]
PATH = ROOT / "docker" / "compose.yaml"
TEXT = PATH.read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
HEAD = TEXT[: TEXT.index("\nname:")]
# The first start's script, which Kubernetes has too.
FIRST_START = "../deploy/k8s/components/with-postgres/create_database.sh"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    """None writes to its image, has capabilities that it need not have, or takes all memory."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit"} <= set(service)


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in {"topfive", "migrate"}])
def test_images_of_others_are_pinned(name: str) -> None:
    """Each names a release, and may be replaced by a variable."""
    assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-[\w./-]+:v?\d+\.\d+[\w.-]*\}", SERVICES[name]["image"])


def test_variables_are_told_at_the_head() -> None:
    """Each variable that the file uses is in its head."""
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    assert {one for one in used if one not in HEAD} == set()


def test_only_a_profile_brings_postgresql() -> None:
    """Without the profile neither it nor the migration runs, and topfive starts without them."""
    for name in ("postgres", "migrate"):
        assert SERVICES[name]["profiles"] == ["postgres"]
    assert SERVICES["topfive"]["depends_on"]["migrate"]["required"] is False


def test_topfive_waits_for_the_migration() -> None:
    """PostgreSQL is healthy, then the migration has ended well, then topfive starts."""
    waits = {name: SERVICES[name]["depends_on"] for name in ("migrate", "topfive")}
    assert waits["migrate"] == {"postgres": {"condition": "service_healthy"}}
    condition = waits["topfive"]["migrate"]["condition"]
    assert condition == "service_completed_successfully"
    # One that is started anew has not ended.
    assert SERVICES["migrate"]["restart"] == "no"


def test_the_migration_is_of_the_version_that_serves() -> None:
    """Both have the same image, settings and password."""
    migrate, topfive = SERVICES["migrate"], SERVICES["topfive"]
    assert migrate["command"] == ["topfive", "db", "upgrade"]
    assert migrate["image"] == topfive["image"]
    assert migrate["env_file"] == topfive["env_file"]
    assert migrate["environment"]["PGPASSWORD"] == topfive["environment"]["PGPASSWORD"]


def test_the_password_comes_from_outside() -> None:
    """It is a variable wherever it is used, without a default that all would share."""
    values = re.findall(r"^ +\w*PASSWORD: (.+)$", TEXT, re.MULTILINE)
    assert values == ["${HISTORY_PASSWORD:-}"] * 4


def test_nobody_outside_reaches_the_database() -> None:
    """It is on the internal network alone, and publishes no port."""
    assert SERVICES["postgres"]["networks"] == ["inside"]
    assert "ports" not in SERVICES["postgres"]


def test_the_database_is_made_as_in_kubernetes() -> None:
    """The first start runs the same script, which can be run."""
    mounted = [one for one in SERVICES["postgres"]["volumes"] if "initdb.d" in one]
    assert mounted == [
        f"{FIRST_START}:/docker-entrypoint-initdb.d/create_database.sh:ro",
    ]
    assert (PATH.parent / FIRST_START).resolve().stat().st_mode & 0o111


def test_addresses_at_the_head_are_accepted() -> None:
    """Both that the head names are addresses of a history, in places that the file has."""
    urls = re.findall(r"TOPFIVE_HISTORY_URL=(\S+)", HEAD)
    assert [url.partition(":")[0] for url in urls] == ["sqlite", "postgresql"]
    for url in urls:
        assert parse_settings({"TOPFIVE_HISTORY_URL": url}).history_url == url
    assert urls[0].startswith("sqlite:////history/")
    assert "history:/history" in SERVICES["topfive"]["volumes"]
    assert "/history" in (ROOT / "docker" / "Dockerfile").read_text()
    assert urls[1].endswith("@postgres/topfive")
    assert set(re.findall(r"TOPFIVE_\w+(?==)", HEAD)) <= {
        variable_name(field) for field in Settings.model_fields
    }
