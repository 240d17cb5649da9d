"""What a sweep came to: as a document for programs, and in sections for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine import SEMANTICS_VERSION, __version__
from policy_engine.cli.sections import Section
from policy_engine.wording import number

if TYPE_CHECKING:
    from policy_engine.fleet.sweeping import Swept
    from policy_engine.loading.policy import Policy


def document(swept: Swept, source: Path, at: str, engine: str, policy: Policy) -> dict[str, Any]:
    """Return the summary as plain data; how long it took is no part of it."""
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "Sweep",
        "source": str(source),
        "decided_at": at,
        "policy": {"digest": policy.digest, "version": policy.rules.version},
        "catalog": {"digest": policy.catalog.digest, "as_of": policy.catalog.as_of.isoformat()},
        "engine": {"version": __version__, "semantics": SEMANTICS_VERSION, "by": engine},
        "rows": swept.rows,
        "findings": swept.findings,
        "rejects": swept.rejects,
        "one_by_one": swept.alone,
        "recorded": swept.recorded,
        "verdicts": dict(swept.summary.verdicts),
        "recommendations": dict(swept.summary.recommendations),
        "rules": dict(_fired(swept)),
        "files": {name: str(path) for name, path in swept.files.items()},
    }


def sections(swept: Swept, source: Path) -> list[Section]:
    """Return the summary for people."""
    pairs = [
        ("Source", str(source)),
        ("Rows", f"{number(swept.rows)}: {number(swept.findings)} findings, {number(swept.rejects)} rejects"),
        ("One by one", number(swept.alone)),
    ]
    if swept.recorded is not None:
        pairs.append(("Recorded", f"{number(swept.recorded)} workloads"))
    pairs += [(name.capitalize(), str(path)) for name, path in swept.files.items()]
    found = [
        Section(pairs=pairs),
        _table("Verdicts", "Verdict", list(swept.summary.verdicts.items()), swept.findings),
        _table("Recommendations", "Option", list(swept.summary.recommendations.items()), swept.findings),
    ]
    return found + ([_table("Rules that fired", "Rule", _fired(swept), swept.findings)] if _fired(swept) else [])


def _fired(swept: Swept) -> list[tuple[str, int]]:
    """Return the rules that fired with how often, the most frequent first."""
    fired = [(name, count) for name, count in swept.summary.rules.items() if count]
    return sorted(fired, key=lambda each: (-each[1], each[0]))


def _table(title: str, what: str, counts: list[tuple[str, int]], total: int) -> Section:
    rows = [(name, number(count), f"{100 * count / total:.1f} %" if total else "") for name, count in counts]
    return Section(title, header=(what, ">Rows", ">Part"), rows=rows)
