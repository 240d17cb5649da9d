"""The files that `policy rules new` writes: one condition for each topic, on a fact that speaks of it."""

from __future__ import annotations

from typing import Any, NamedTuple


class _Start(NamedTuple):
    """A fact to start from, with a value for which the rule fires and one for which it does not."""

    fact: str
    fires: Any = True
    rests: Any = False

    @property
    def condition(self) -> str:
        return self.fact if self.fires is True else f"{self.fact} == '{self.fires}'"


_STARTS = {
    "data-residency": _Start("data.sensitivity", "regulated", "public"),
    "volume-cost": _Start("volume.pattern", "variable", "steady"),
    "mlops-capacity": _Start("team.mlops", "none", "mature"),
    "latency": _Start("task.batch"),
    "task-quality": _Start("task.complexity", "complex", "simple"),
    "customisation": _Start("needs.fine_tuning"),
    "vendor-independence": _Start("needs.vendor_independence"),
    "life-cycle": _Start("workload.organisation", "startup", "enterprise"),
    "routing": _Start("task.complexity", "simple", "complex"),
    "hardware": _Start("hardware.verdict", "contradicted", "holds"),
    "licence": _Start("licence.self_hosted", "review", "allowed"),
    "migration": _Start("migration.present"),
}


def rule_text(rule_id: str, topic: str, criterion: str | None, origin: str | None) -> str:
    """Return the text of a rule that advises, to be edited."""
    start = _STARTS[topic]
    cited = f"criteria: [{criterion}]" if criterion is not None else f"origin: {_quoted(origin or '')}"
    title = rule_id.replace("-", " ").capitalize()
    return f"""\
# yaml-language-server: $schema=../rule.schema.json
id: {rule_id}
title: {title}
{cited}
# `policy rules facts` lists what a condition may read; thresholds stand in parameters.yaml and are read as param.<name>
when: "{start.condition}"
# or forbid:, prefer:, disfavour:, require:, derive:
advise: >-
  Say here what the team of {{workload.name}} should do.
message: >-
  {start.fact} of {{workload.name}} is {{{start.fact}}}. Say here what follows from it.
"""


def cases_text(topic: str) -> str:
    """Return the text of its cases: the rule fires, does not fire, and is indeterminate."""
    start = _STARTS[topic]
    return f"""\
cases:
  - name: it fires
    facts: {{{start.fact}: {_scalar(start.fires)}}}
    outcome: fired
  - name: it does not fire
    facts: {{{start.fact}: {_scalar(start.rests)}}}
    outcome: not_fired
  - name: nothing is known
    facts: {{}}
    outcome: indeterminate
    missing: [{start.fact}]
"""


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
