"""Make the dashboard for Grafana of the metrics that a server has: `python deploy/dashboard.py` prints it.

Names of metrics come from `policy_engine.service.metrics`, so that one that is renamed is renamed here as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from policy_engine.service import metrics as m
from policy_engine.service.metrics import Metric

#: Of Grafana 10 and later, which reads it as it is.
SCHEMA_VERSION = 39
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_CHOSEN = 'job=~"$job",instance=~"$instance"'
_WIDTH, _HEIGHT = 24, 8


@dataclass(frozen=True)
class Panel:
    """A panel: queries with their legends, the unit of its values, and from which value on it is yellow and red."""

    title: str
    says: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    warn: float | None = None
    alarm: float | None = None
    kind: str = "timeseries"
    width: int = 12
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...] = field(default_factory=tuple)


def rate(metric: Metric, by: str = "", where: str = "") -> str:
    """Return the rate of a counter in each second, summed by labels."""
    return f"sum{_by(by)} (rate({metric.series}{{{_CHOSEN}{where}}}[$__rate_interval]))"


def quantile(metric: Metric, of: float, by: str = "", where: str = "") -> str:
    """Return a quantile of a histogram."""
    labels = ", ".join(filter(None, ("le", by)))
    buckets = f"{metric.name}_bucket{{{_CHOSEN}{where}}}"
    return f"histogram_quantile({of:g}, sum by ({labels}) (rate({buckets}[$__rate_interval])))"


def mean(metric: Metric) -> str:
    """Return the mean of a histogram."""
    parts = [f"sum (rate({metric.name}_{each}{{{_CHOSEN}}}[$__rate_interval]))" for each in ("sum", "count")]
    return " / ".join(parts)


def gauge(metric: Metric, by: str = "", across: str = "sum") -> str:
    """Return a gauge, over hosts."""
    return f"{across}{_by(by)} ({metric.series}{{{_CHOSEN}}})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


ROWS = (
    Row("Now", (
        Panel("Ready", "1 where rules and ledger are usable on every host.", ((gauge(m.READY, across="min"), "ready"),),
              "bool_yes_no", kind="stat", width=4),
        Panel("Workers", "Workers that answer.", ((gauge(m.WORKERS), "workers"),), kind="stat", width=4),
        Panel("Decisions", "Recorded and answered in each second.", ((rate(m.DECISIONS), "decisions"),), "reqps",
              kind="stat", width=4),
        Panel("Refused by the ledger", "Requests in each second that were answered 503 because the ledger refused.",
              ((f"{rate(m.LEDGER_REFUSALS)} or vector(0)", "refused"),), "reqps", 0.01, 0.1, "stat", 4),
        Panel("Rules in force", "Whether a reload failed, so that older rules are in force than were given.",
              ((gauge(m.RELOAD_FAILED, across="max"), "failed"),), "bool_yes_no", alarm=1, kind="stat", width=4),
        Panel("Entries", "Size of the ledger.", ((gauge(m.LEDGER_ENTRIES, across="max"), "entries"),), kind="stat",
              width=4),
    )),
    Row("Requests", (
        Panel("Errors of the engine", "Answers 500: any one is to be reported.", ((rate(m.SERVER_ERRORS), "500"),),
              "reqps", 0.001, 0.01),
        Panel("Requests by route", "Answers in each second.", ((rate(m.REQUESTS, "route"), "{{route}}"),), "reqps"),
        Panel("Requests by status", "Answers in each second; 503 is a ledger that refused, 429 too much at once.",
              ((rate(m.REQUESTS, "status"), "{{status}}"),), "reqps", stacked=True),
        Panel("Duration", "Half, and 99 of 100, requests for decisions were answered in this time.",
              ((quantile(m.REQUEST_SECONDS, 0.5, where=',route="/v1/decisions",method="POST"'), "p50"),
               (quantile(m.REQUEST_SECONDS, 0.99, where=',route="/v1/decisions",method="POST"'), "p99")), "s", 0.5, 2),
        Panel("Slowest routes", "99 of 100 requests of a route were answered in this time.",
              ((f"topk(10, {quantile(m.REQUEST_SECONDS, 0.99, 'route')})", "{{route}}"),), "s", 0.5, 2),
    )),
    Row("Decisions", (
        Panel("Decisions by verdict", "Recorded and answered in each second.",
              ((rate(m.DECISIONS, "verdict"), "{{verdict}}"),),
              "reqps", stacked=True),
        Panel("Decisions by purpose", "draft, pull_request and deploy.",
              ((rate(m.DECISIONS, "purpose"), "{{purpose}}"),),
              "reqps", stacked=True),
        Panel("Rules that fire most", "The ten of the chosen time.",
              ((f"topk(10, sum by (rule) (increase({m.RULES_FIRED.series}{{{_CHOSEN}}}[$__range])))", "{{rule}}"),),
              kind="bargauge"),
        Panel("Evaluation", "Time to decide what was not decided earlier the same day.",
              ((quantile(m.EVALUATION_SECONDS, 0.5), "p50"), (quantile(m.EVALUATION_SECONDS, 0.99), "p99")),
              "s", 0.25, 1),
        Panel("Decided earlier", "Requests in each second for what was decided the same day on the same ground.",
              ((rate(m.REMEMBERED), "remembered"),), "reqps"),
    )),
    Row("Ledger", (
        Panel("Commits", "In each second; one has the entries of all requests that waited.",
              ((rate(m.COMMITS, "result"), "{{result}}"),), "ops"),
        Panel("Commit duration", "Most of it is the sync of the database's disk.",
              ((quantile(m.COMMIT_SECONDS, 0.5), "p50"), (quantile(m.COMMIT_SECONDS, 0.99), "p99")), "s", 0.1, 0.5),
        Panel("Entries in a commit", "The mean; it grows with load, and the cost of each shrinks.",
              ((mean(m.COMMIT_ENTRIES), "entries"),)),
        Panel("Refusals by code", "What the ledger said; see README, what it does when something fails.",
              ((rate(m.LEDGER_REFUSALS, "code"), "{{code}}"),), "reqps", 0.01, 0.1),
    )),
    Row("Waiting", (
        Panel("Queues", "Requests that wait for a thread, or are worked on in one.",
              ((gauge(m.QUEUE, "queue"), "{{queue}}"),),
              warn=64, alarm=200),
        Panel("In progress", "Requests that are worked on.", ((gauge(m.IN_PROGRESS, "instance"), "{{instance}}"),),
              warn=128, alarm=250),
        Panel("Told to come back", "Answers 429 in each second.",
              ((rate(m.BUSY, "code"), "{{code}}"),), "reqps", 0.1, 10),
    )),
    Row("Who asks", (
        Panel("Log-ins that failed", "By the reason; many of one kind are a token that expired, or somebody guessing.",
              ((rate(m.LOG_INS_FAILED, "code"), "{{code}}"),), "reqps", 0.5, 10),
        Panel("Refused to somebody known", "A role or a namespace that their token has not.",
              ((rate(m.ACCESS_REFUSED, "code"), "{{code}}"),), "reqps", 0.5, 10),
    )),
    Row("Rules", (
        Panel("Policy in force", "More than one digest for more than a minute: hosts decide by other rules.",
              ((gauge(m.POLICY_INFO, "digest, policy_version", "max"), "{{policy_version}} {{digest}}"),)),
        Panel("Reloads", "Of the rules, in the last hour.",
              ((f"sum by (result) (increase({m.RELOADS.series}{{{_CHOSEN}}}[1h]))", "{{result}}"),)),
    )),
    Row("Workers", (
        Panel("Processor", "Of each worker; 1 is a core.",
              ((rate(m.CPU_SECONDS, "instance, worker"), "{{instance}} {{worker}}"),),
              "percentunit", 0.8, 0.95),
        Panel("Memory", "Of each worker.",
              ((gauge(m.MEMORY, "instance, worker"), "{{instance}} {{worker}}"),), "bytes"),
        Panel("Event loop", "How late it came to a call: what runs on it too long.",
              ((gauge(m.LOOP_LAG, "instance, worker", "max"), "{{instance}} {{worker}}"),), "s", 0.05, 0.25),
        Panel("Open files", "Of each worker, connections among them.",
              ((gauge(m.OPEN_FILES, "instance, worker"), "{{instance}} {{worker}}"),), warn=800, alarm=1000),
        Panel("Replaced workers", "Starts in the last hour: more than a deployment explains is a worker that dies.",
              ((f"sum (changes({m.STARTED.series}{{{_CHOSEN}}}[1h]))", "starts"),), warn=3, alarm=10),
        Panel("Log lines lost", "Standard error took none: whoever reads it stands still.",
              ((rate(m.LOG_LINES_LOST), "lines in each second"),), warn=0.01, alarm=10),
        Panel("Engine", "Which version runs where.",
              ((gauge(m.BUILD_INFO, "instance, version, semantics, python", "max"),
                "{{instance}} {{version}} ({{semantics}}, Python {{python}})"),), width=24),
    )),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in ROWS:
        panels.append({"type": "row", "title": row.title, "collapsed": False, "panels": [], "id": len(panels) + 1,
                       "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": top}})  # fmt: skip
        top, left, height = top + 1, 0, 0
        for each in row.panels:
            if left + each.width > _WIDTH:
                top, left = top + height, 0
            height = 4 if each.kind == "stat" else _HEIGHT
            place = {"h": height, "w": each.width, "x": left, "y": top}
            panels.append(_panel(each, len(panels) + 1, place))
            left += each.width
        top += height
    return {
        "title": "policy-engine",
        "description": "The served engine. Made by deploy/dashboard.py of the names of its metrics.",
        "uid": "policy-engine",
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "tags": ["policy-engine"],
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "timezone": "",
        "templating": {
            "list": [_source(), _variable("job", m.WORKERS), _variable("instance", m.WORKERS, ',job=~"$job"')]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    steps += [{"color": c, "value": v} for c, v in (("yellow", panel.warn), ("red", panel.alarm)) if v is not None]
    timed = panel.kind == "timeseries"
    custom = {"fillOpacity": 20 if panel.stacked else 5, "showPoints": "never", "spanNulls": False,
              "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
              "thresholdsStyle": {"mode": "off" if panel.warn is None else "dashed"}}  # fmt: skip
    legend = {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"], "showLegend": True}
    shown = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": custom if timed else {},
            },
            "overrides": [],
        },
        "options": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}} if timed else shown,
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query, "legendFormat": legend,
             "range": True, "exemplar": "_bucket" in query}
            for place, (query, legend) in enumerate(panel.queries)
        ],
    }  # fmt: skip


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus", "hide": 0,
            "current": {}, "refresh": 1, "regex": "", "multi": False, "includeAll": False}  # fmt: skip


def _variable(name: str, metric: Metric, where: str = "") -> dict[str, Any]:
    asked = f"label_values({metric.series}{{{where.lstrip(',')}}}, {name})"
    return {"name": name, "label": name.capitalize(), "type": "query", "datasource": _SOURCE, "refresh": 2, "hide": 0,
            "definition": asked, "query": {"query": asked, "refId": name}, "multi": True, "includeAll": True,
            "allValue": ".*", "current": {}, "regex": "", "sort": 1}  # fmt: skip


def text() -> str:
    """Return the dashboard's file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
