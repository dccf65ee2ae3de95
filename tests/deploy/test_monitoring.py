"""Alerts, dashboard and scraping ask for metrics that topfive exports, and alerts fire when due."""

import json
import re
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from topfive.errors import FAILURES

yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "topfive.json").read_text())
ALERTS = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
ADAPTER = ROOT / "deploy" / "k8s" / "components" / "queue-scaling" / "prometheus-adapter.yaml"

# Everything that /metrics exports: the name, its type, and its labels.
METRICS: dict[str, tuple[str, frozenset[str]]] = {
    "topfive_request_duration_seconds": ("histogram", frozenset({"route", "method", "status"})),
    "topfive_requests_in_flight": ("gauge", frozenset()),
    "topfive_queue_wait_seconds": ("histogram", frozenset()),
    "topfive_decode_seconds": ("histogram", frozenset()),
    "topfive_preprocess_seconds": ("histogram", frozenset()),
    "topfive_inference_seconds": ("histogram", frozenset({"model", "version"})),
    "topfive_queue_depth": ("gauge", frozenset()),
    "topfive_rejected_total": ("counter", frozenset({"reason"})),
    "topfive_predictions_total": ("counter", frozenset({"model", "version"})),
    "topfive_model_errors_total": ("counter", frozenset({"model", "version"})),
    "topfive_rollbacks_total": ("counter", frozenset({"model", "version", "cause"})),
    "topfive_shadow_predictions_total": ("counter", frozenset({"model", "version", "outcome"})),
    "topfive_shadow_inference_seconds": ("histogram", frozenset({"model", "version"})),
    "topfive_shadow_dropped_total": ("counter", frozenset({"reason"})),
    "topfive_confidence": ("histogram", frozenset({"model"})),
    "topfive_model_info": (
        "gauge",
        frozenset({"name", "version", "sha256", "engine", "precision"}),
    ),
    "topfive_model_memory_bytes": ("gauge", frozenset({"model", "version"})),
    "topfive_decoded_bytes_in_flight": ("gauge", frozenset()),
    "topfive_worker_memory_bytes": ("gauge", frozenset({"worker"})),
    "topfive_worker_restarts_total": ("counter", frozenset()),
    "topfive_workers": ("gauge", frozenset()),
    "topfive_rate_limit_store_errors_total": ("counter", frozenset()),
    "topfive_cache_results_total": ("counter", frozenset({"result"})),
    "topfive_cache_bytes": ("gauge", frozenset()),
    "topfive_cache_evictions_total": ("counter", frozenset()),
    "topfive_cache_broken_entries_total": ("counter", frozenset()),
    "topfive_cache_errors_total": ("counter", frozenset()),
    "topfive_labelled_predictions": ("gauge", frozenset({"model", "version"})),
    "topfive_labels_representative": ("gauge", frozenset({"model", "version"})),
    "topfive_live_accuracy": ("gauge", frozenset({"model", "version", "k"})),
    "topfive_live_accuracy_low": ("gauge", frozenset({"model", "version", "k"})),
    "topfive_live_accuracy_high": ("gauge", frozenset({"model", "version", "k"})),
    "topfive_held_out_accuracy": ("gauge", frozenset({"model", "version"})),
    "topfive_live_calibration_error": ("gauge", frozenset({"model", "version"})),
    "topfive_drift_psi": ("gauge", frozenset({"model", "version"})),
    "topfive_drift_ks": ("gauge", frozenset({"model", "version"})),
    "topfive_drift_alarm": ("gauge", frozenset({"model", "version"})),
    "topfive_history_written_total": ("counter", frozenset()),
    "topfive_history_dropped_total": ("counter", frozenset({"reason"})),
    "topfive_history_queue": ("gauge", frozenset()),
    "topfive_degraded": ("gauge", frozenset()),
}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
SERIES = {
    name + suffix: labels | ({"le"} if suffix == "_bucket" else set())
    for name, (kind, labels) in METRICS.items()
    for suffix in SUFFIXES[kind]
}
# What Prometheus itself adds when it scrapes.
SCRAPED_LABELS = {"job", "instance", "namespace", "pod"}
# One value of each label that dashboards and alerts select by; any other label may have any.
SAMPLE_LABELS = {
    "route": "/predict", "method": "POST", "status": "200", "reason": "overloaded",
    "outcome": "agreed", "k": "1",
}  # fmt: skip
SEVERITIES = {"critical", "warning"}


def panels() -> list[dict[str, Any]]:
    """Every panel that shows something."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def dashboard_queries() -> list[str]:
    """Every query of the dashboard, as Prometheus gets it from Grafana."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [one.replace("$__rate_interval", "5m").replace("$instance", ".*") for one in found]


def all_queries() -> list[str]:
    """Every query of alerts, dashboard and autoscaling."""
    rules = yaml.safe_load(ADAPTER.read_text())["rules"]["custom"]
    scaling = [rule["seriesQuery"] for rule in rules]
    return [*(rule["expr"] for rule in ALERTS), *dashboard_queries(), *scaling]


@pytest.mark.parametrize("query", all_queries())
def test_queries_name_metrics_that_exist(query: str) -> None:
    """No alert, panel or autoscaler asks for a metric or a label that topfive does not export."""
    named = set(re.findall(r"\btopfive_\w+", query))
    assert named <= set(SERIES)
    assert named or 'up{job="topfive"}' in query
    known = SCRAPED_LABELS.union(*(SERIES[name] for name in named))
    for name, selector in re.findall(r"\b(topfive_\w+)\{([^}]*)\}", query):
        selected = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert selected <= SERIES[name] | SCRAPED_LABELS
    assert _grouped_by(query) <= known


def test_every_metric_is_shown() -> None:
    """The dashboard leaves no metric out."""
    shown = " ".join(dashboard_queries())
    assert [name for name in METRICS if not re.search(rf"\b{name}\b", _plain(shown))] == []


def test_reasons_are_codes_of_failures() -> None:
    """Whatever is selected by `reason` is a word that topfive answers with."""
    found = [re.findall(r'reason=~?"([^"]+)"', query) for query in all_queries()]
    named = {word for one in found for words in one for word in words.split("|")}
    assert named
    assert named <= set(FAILURES)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alerts_say_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """Every alert has a severity, a summary, a description and its own place in the runbook."""
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/OPERATIONS.md#{rule['alert'].lower()}"


def test_the_runbook_has_a_section_for_each_alert() -> None:
    """docs/OPERATIONS.md has the headings that alerts lead to."""
    runbook = ROOT / "docs" / "OPERATIONS.md"
    if not runbook.exists():
        pytest.skip("docs/OPERATIONS.md is not written yet.")
    headings = {one.lower() for one in re.findall(r"^#+ (\S+)$", runbook.read_text(), re.MULTILINE)}
    assert [rule["alert"] for rule in ALERTS if rule["alert"].lower() not in headings] == []


def test_every_alert_is_tested() -> None:
    """alerts_test.yaml holds a moment at which each alert fires."""
    tests = yaml.safe_load((MONITORING / "alerts_test.yaml").read_text())["tests"]
    checks = [check for test in tests for check in test.get("alert_rule_test", [])]
    firing = {check["alertname"] for check in checks if check["exp_alerts"]}
    assert firing == {rule["alert"] for rule in ALERTS}


def test_alerts_are_valid() -> None:
    """Prometheus' own tool accepts the rules and the scraping."""
    assert _promtool("check", "rules", "alerts.yaml").returncode == 0
    done = _promtool("check", "config", "prometheus.yml")
    assert (done.returncode, done.stderr) == (0, "")


def test_alerts_fire_when_due_and_not_before() -> None:
    """Prometheus' own tool runs alerts_test.yaml."""
    done = _promtool("test", "rules", "alerts_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_panel_shows_something(tmp_path: Path) -> None:
    """Each query of the dashboard finds data where topfive exports all its metrics."""
    queries = dashboard_queries()
    rules = [
        {"alert": f"Query{number}", "expr": f"count({query}) > 0"}
        for number, query in enumerate(queries)
    ]
    checks = [
        {"alertname": rule["alert"], "eval_time": "10m", "exp_alerts": [{}]} for rule in rules
    ]
    test = {"interval": "15s", "input_series": list(_samples()), "alert_rule_test": checks}
    _write(tmp_path / "rules.yaml", {"groups": [{"name": "queries", "rules": rules}]})
    _write(tmp_path / "test.yaml", {"rule_files": ["rules.yaml"], "tests": [test]})
    done = _promtool("test", "rules", "test.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_panels_can_be_read(panel: dict[str, Any]) -> None:
    """Every panel has a unit, says what it shows, and names its lines by labels that are there."""
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"].endswith(".")
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert named <= _labels_left(target["expr"])


def test_panels_do_not_overlap() -> None:
    """Ids are unique, and no panel lies over another."""
    every = DASHBOARD["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    for one, other in combinations([panel["gridPos"] for panel in every], 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in every)


def test_prometheus_scrapes_where_topfive_exports() -> None:
    """Compose and Kubernetes read metrics from the same port, as the job that alerts ask for."""
    (job,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    (target,) = job["dns_sd_configs"]
    settings = (ROOT / "deploy" / "k8s" / "base" / "settings.env").read_text()
    assert (job["job_name"], target["names"]) == ("topfive", ["topfive"])
    assert f"TOPFIVE_METRICS_PORT={target['port']}\n" in settings


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    """The provisioned data source is Prometheus by Compose's name, and dashboards have a folder."""
    provisioning = MONITORING / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "topfive.yaml").read_text())[
        "providers"
    ]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["query"] == source["type"]


def _promtool(*arguments: str, folder: Path = MONITORING):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not here; Debian's package prometheus has it.")
    command = ["promtool", *arguments]
    return run(command, cwd=folder, capture_output=True, text=True, check=False)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content))


def _samples() -> Iterator[dict[str, str]]:
    for name, labels in SERIES.items():
        for le in ("0.1", "+Inf") if "le" in labels else ("",):
            values = {label: SAMPLE_LABELS.get(label, "some") for label in labels}
            values |= {"instance": "a:9090", "job": "topfive"} | ({"le": le} if le else {})
            text = ", ".join(f'{label}="{value}"' for label, value in values.items())
            yield {"series": f"{name}{{{text}}}", "values": "0+1x60"}


def _plain(queries: str) -> str:
    """Write histograms' series as the name of their metric."""
    return re.sub(r"(topfive_\w+?)_(?:bucket|sum|count)\b", r"\1", queries)


def _grouped_by(query: str) -> set[str]:
    """List the labels that a query groups or joins by."""
    groups = re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", query)
    return {label for group in groups for label in re.findall(r"\w+", group)}


def _labels_left(query: str) -> set[str]:
    """List the labels that a query's result can have."""
    if re.search(r"\b(sum|max|min|avg|count)\b", query):
        return _grouped_by(query)
    return SCRAPED_LABELS.union(*(SERIES[name] for name in re.findall(r"\btopfive_\w+", query)))
