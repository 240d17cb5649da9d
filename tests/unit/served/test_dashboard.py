"""The dashboard and the alerts ask for metrics that there are, by labels that these have."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.service.metrics import METRICS, Metric

ROOT = Path(__file__).parents[3]
DASHBOARD = ROOT / "deploy" / "grafana" / "policy-engine.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
TRIED = ALERTS.with_name("alerts_test.yaml")
#: What Prometheus itself puts on every series, and the bound of a bucket.
_GIVEN = {"job", "instance", "le"}
#: Grafana's units that panels may have.
_UNITS = {"short", "bool_yes_no", "reqps", "ops", "s", "bytes", "percentunit"}


def made() -> str:
    spec = importlib.util.spec_from_file_location("dashboard", ROOT / "deploy" / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["dashboard"] = module  # dataclasses look for their module there
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["dashboard"]
    text: str = module.text()
    return text


def series() -> dict[str, Metric]:
    """The names that a query may ask for."""
    found = {metric.series: metric for metric in METRICS if metric.kind != "histogram"}
    for metric in METRICS:
        if metric.kind == "histogram":
            found |= {f"{metric.name}_{part}": metric for part in ("bucket", "sum", "count")}
    return found


def asked(query: str) -> set[str]:
    """The names in a query; each has its metric, and each label that it chooses or sums by is one of its metric's."""
    names = set(re.findall(r"\bpolicy_[a-z_]+", query)) - {"policy_version"}
    known = series()
    assert names <= set(known), f"there is no such metric: {names - set(known)}"
    labels = {label for chosen in re.findall(r"\{([^}]*)\}", query) for label in re.findall(r"(\w+)\s*[=!]", chosen)}
    labels |= {label.strip() for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(",")}
    has = {label for name in names for label in known[name].labels}
    assert labels <= has | _GIVEN, f"{names} have no label {labels - has - _GIVEN}"
    return {known[name].name for name in names}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def test_the_dashboard_is_what_the_names_of_the_metrics_make() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        DASHBOARD.write_text(made(), encoding="utf-8")
    assert DASHBOARD.read_text(encoding="utf-8") == made()


def test_every_metric_is_shown_and_nothing_is_asked_that_is_none() -> None:
    shown = {name for panel in panels() for target in panel.get("targets", []) for name in asked(target["expr"])}
    assert shown == {metric.name for metric in METRICS}


def test_panels_say_what_they_show() -> None:
    places: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel["gridPos"]
        covered = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not covered & places, f"{panel['title']} lies over another"
        assert grid["x"] + grid["w"] <= 24
        places |= covered
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in _UNITS
        steps = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert steps[0] is None
        assert steps[1:] == sorted(steps[1:])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert all(target["legendFormat"] for target in panel["targets"])
    identities = [panel["id"] for panel in panels()]
    assert len(set(identities)) == len(identities)


def test_the_dashboard_takes_its_source_from_whoever_imports_it() -> None:
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert found["schemaVersion"] >= 36
    assert found["uid"] == "policy-engine"
    assert [each["name"] for each in found["templating"]["list"]] == ["datasource", "job", "instance"]
    assert found["templating"]["list"][0]["type"] == "datasource"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert asked(rule["expr"].replace("\n", " ")) or rule["expr"].startswith("up{")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    wanted = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    kept = re.search(r"by \(([^)]*)\)", rule["expr"])
    if kept and wanted:
        assert wanted <= {label.strip() for label in kept[1].split(",")}
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(encoding="utf-8"), re.M)
    assert anchor == rule["alert"].lower()
    assert anchor in {heading.lower() for heading in headings}


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = yaml.safe_load(TRIED.read_text(encoding="utf-8"))["tests"]
    tried = [(each["alertname"], bool(each.get("exp_alerts"))) for case in cases for each in case["alert_rule_test"]]
    assert set(tried) == {(rule["alert"], fires) for rule in rules() for fires in (True, False)}
    for case in cases:
        assert all(asked(each["series"]) or "up{" in each["series"] for each in case["input_series"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_alerts_fire_when_they_must() -> None:
    done = subprocess.run(["promtool", "test", "rules", TRIED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_worker_that_grows_is_told_before_its_pod_is_killed() -> None:
    """Two workers at the alert's threshold, with what else is there, are below the manifest's limit."""
    (rule,) = (each for each in rules() if each["alert"] == "PolicyMemoryGrows")
    most = float(rule["expr"].split("> ")[1])
    text = (ROOT / "deploy" / "kubernetes" / "deployment.yaml").read_text(encoding="utf-8")
    (server,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    workers = int(server["args"][server["args"].index("--workers") + 1])
    assert server["resources"]["limits"]["memory"] == "1Gi"
    assert workers * most + 74e6 < 1 << 30
