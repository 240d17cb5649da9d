"""A workload's fields flattened to facts, and the facts computed from them and from the catalog.

A fact that is absent is unknown. Every computed fact is monotone in knowledge: knowing more never changes a value
that is known, so that taking knowledge away can never allow (the exception, the coalesced API spend, may not be
read by forbids).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.model.fields import LARGEST_COUNT
from policy_engine.model.vocabulary import GRADES
from policy_engine.model.workload import ANYWHERE, Task, Workload

if TYPE_CHECKING:
    from policy_engine.catalog.regions import Places, Regions

DAYS_PER_MONTH = 365.25 / 12
_SECTIONS = ("data", "volume", "budget", "team", "needs")
_TASK_FIELDS = (
    "name",
    "kind",
    "complexity",
    "quality",
    "share",
    "modalities",
    "batch",
    "customer_facing",
    "well_defined",
    "specialised_domain",
    "edge_cases_matter",
    "latency_p95_ms",
    "context_tokens",
)
PROPOSED = ("deployment", "model", "provider", "region")


def declared_facts(workload: Workload, task: Task, defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the facts that the file states for `task`; what it leaves unknown is absent.

    `defaults` are those of custom facts, for what is left out; what is given as null stays unknown.
    """
    spec = workload.spec
    facts: dict[str, Any] = {
        "workload.namespace": workload.namespace,
        "workload.name": workload.metadata.name,
        "workload.owner_present": True,
        "workload.stage": spec.stage,
        "workload.organisation": spec.organisation,
        "workload.deploy_within_days": spec.deploy_within_days,
        "workload.task_count": len(spec.tasks),
    }
    for name in _TASK_FIELDS:
        facts[f"task.{name}"] = getattr(task, name)
    for section in _SECTIONS:
        part = getattr(spec, section)
        if part is not None:
            for name in type(part).model_fields:
                facts[f"{section}.{name}"] = getattr(part, name)
    _proposal(task, facts)
    _hardware(workload, facts)
    _migration(workload, facts)
    if spec.custom is not None or "custom" not in spec.model_fields_set:
        for name, default in (defaults or {}).items():
            facts[name] = list(default) if isinstance(default, list) else default
    for name, value in (spec.custom or {}).items():
        facts[f"custom.{name}"] = value
    return {name: list(v) if isinstance(v, tuple) else v for name, v in facts.items() if v is not None}


def _proposal(task: Task, facts: dict[str, Any]) -> None:
    proposal = task.proposal
    facts["proposal.present"] = proposal is not None
    facts["proposal.fallback.present"] = proposal is not None and proposal.fallback is not None
    if proposal is None:
        return
    for name in (*PROPOSED, "quantization"):
        facts[f"proposal.{name}"] = getattr(proposal, name)
    if proposal.fallback is not None:
        for name in PROPOSED:
            facts[f"proposal.fallback.{name}"] = getattr(proposal.fallback, name)


def _hardware(workload: Workload, facts: dict[str, Any]) -> None:
    hardware = workload.spec.hardware
    facts["hardware.present"] = hardware is not None
    if hardware is None:
        return
    facts["hardware.host"] = hardware.host
    facts["hardware.usd_per_hour"] = hardware.usd_per_hour
    facts["hardware.region"] = hardware.region
    if hardware.serves is not None:
        for name in type(hardware.serves).model_fields:
            facts[f"hardware.serves.{name}"] = getattr(hardware.serves, name)


def _migration(workload: Workload, facts: dict[str, Any]) -> None:
    migration = workload.spec.migration
    facts["migration.champion_present"] = False
    if migration is None:
        return
    facts["migration.present"] = migration != "none"
    if isinstance(migration, str):
        return
    facts["migration.champion_present"] = migration.champion is not None
    facts["migration.rollout_start_percent"] = migration.rollout_start_percent
    facts["migration.weeks_planned"] = migration.weeks_planned
    if migration.replaces is not None:
        for name in type(migration.replaces).model_fields:
            facts[f"migration.from.{name}"] = getattr(migration.replaces, name)


class FactSheet:
    """Facts with their grades, as they are computed one after another."""

    def __init__(self, declared: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = dict(declared)
        self.grades: dict[str, tuple[str, str | None]] = {}

    def derive(
        self, name: str, value: Any, *sources: str, grade: str = "derived", beneath: Collection[str] = ()
    ) -> None:
        """Set a computed fact, unless it is unknown; its grade carries the weakest grade of its `sources`.

        `beneath` are grades of what it rests on besides, which is no fact.
        """
        if value is None:
            return
        self.values[name] = value
        known = [*beneath, *[self.grade(source)[0] for source in sources if source in self.values]]
        weakest = known[0] if len(known) == 1 else min(known, key=GRADE_ORDER.__getitem__, default=None)
        self.grades[name] = (grade, weakest)

    def grade(self, name: str) -> tuple[str, str | None]:
        """Return how `name` is known: its grade, and for a derived fact the weakest grade beneath it."""
        return self.grades.get(name, _DECLARED)

    def get(self, name: str) -> Any:
        return self.values.get(name)


_DECLARED: tuple[str, str | None] = ("declared", None)
GRADE_ORDER = {grade: place for place, grade in enumerate(GRADES)}


def derive_volume(sheet: FactSheet) -> None:
    """Sum the tokens of both directions, per month and per day, and the task's part by share."""
    both = ("volume.input_tokens_per_month", "volume.output_tokens_per_month")
    monthly, daily, own = volumes(sheet.get(both[0]), sheet.get(both[1]), sheet.get("task.share"))
    sheet.derive("volume.tokens_per_month", monthly, *both)
    sheet.derive("volume.tokens_per_day", daily, *both)
    sheet.derive("task.tokens_per_month", own, *both, "task.share")


def volumes(
    sent: int | None, answered: int | None, share: float | None
) -> tuple[int | None, float | None, float | None]:
    """Return the tokens of both directions per month, per day, and the task's part per month; None is unknown."""
    if sent is None or answered is None:
        return None, None, None
    total = min(sent + answered, LARGEST_COUNT)  # a decision holds no whole number beyond
    return total, total / DAYS_PER_MONTH, None if share is None else total * share


def region_allowed(residency: list[str] | None, region: str | None, regions: Regions, places: Places) -> bool | None:
    """Whether `region` lies inside `residency`, and the provider does not run elsewhere; None where it is not known.

    `regions` are the catalog's. A provider whose regions are known to lie apart from the residency, or from the region
    that is stated, cannot process there. Whom nobody names may be any: knowing who must not take an answer back.
    """
    if residency is None:
        return None
    if residency == [ANYWHERE]:
        return True
    if places.known is not None and regions.apart(places.known, residency):
        return False
    if region is None:
        return None
    if places.known is not None and regions.apart(places.known, [region]):
        return False
    inside = regions.contains(residency, region)
    if inside and any(regions.apart(each, [region]) for each in places.perhaps):
        return None
    return inside
