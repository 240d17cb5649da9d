"""What a task moves to, and whether that is another thing than it has, or than its rollout was begun with."""

from __future__ import annotations

from collections.abc import Mapping

from policy_engine.catalog import Catalog
from policy_engine.model.workload import Replaced

#: What makes a candidate, as facts of the proposal: with another of these it is another one.
PARTS = ("deployment", "model", "provider", "region")
Candidate = Mapping[str, str | None]


def candidate_of(
    deployment: str | None, model: str | None, provider: str | None, region: str | None
) -> dict[str, str | None]:
    """Return what a task moves to, as an entry holds it."""
    return dict(zip(PARTS, (deployment, model, provider, region), strict=True))


def same_candidate(one: Candidate, other: Candidate, catalog: Catalog) -> bool:
    """Whether two candidates are one, a model by whichever of its names; what one of them leaves open is another."""
    return all(_part(one, name, catalog) == _part(other, name, catalog) for name in PARTS)


def stays(candidate: Candidate, replaced: Replaced | None, catalog: Catalog) -> bool:
    """Whether a task is to keep the deployment and the model that it has, for all that is known."""
    if replaced is None or replaced.deployment is None or replaced.model is None:
        return False
    known = candidate_of(replaced.deployment, replaced.model, replaced.provider, None)
    if any(_part(candidate, name, catalog) != _part(known, name, catalog) for name in ("deployment", "model")):
        return False
    providers = (candidate["provider"], replaced.provider)
    return None in providers or providers[0] == providers[1]


def candidate_text(candidate: Candidate) -> str:
    """Return a candidate as people read it."""
    found = f"{candidate.get('deployment') or 'no option'} {candidate.get('model') or 'a model that is not named'}"
    found += f" at {candidate['provider']}" if candidate.get("provider") else ""
    return found + (f" in {candidate['region']}" if candidate.get("region") else "")


def _part(candidate: Candidate, name: str, catalog: Catalog) -> str | None:
    value = candidate.get(name)
    found = catalog.model(value) if name == "model" else None
    return found.key if found is not None else value
