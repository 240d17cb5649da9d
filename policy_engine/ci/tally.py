"""What a run comes to in numbers: verdicts, waivers, findings that a baseline accepts, files that are invalid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from policy_engine.baselines.applying import Use
from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.findings import Finding, effect_of
from policy_engine.model.task_case import VERDICTS
from policy_engine.wording import listed

_ENDED = "it ended on "
_PASSING = ("advice", "condition")


class Tally(Struct, frozen=True):
    """Numbers of a run; waivers are counted once for each workload that they are on.

    `by_baseline` are the workloads that pass by what a baseline accepts alone; `idle` counts the entries of a baseline
    that accept nothing, by why.
    """

    verdicts: Mapping[str, int]
    problems: int
    waivers_used: int
    waivers_expired: int
    waivers_not_honoured: int
    accepted: int
    by_baseline: int
    idle: Mapping[str, int] = {}

    @property
    def workloads(self) -> int:
        return sum(self.verdicts.values())

    @property
    def waivers(self) -> int:
        return self.waivers_used + self.waivers_expired + self.waivers_not_honoured

    def numbers(self) -> dict[str, int]:
        """Return all numbers by name."""
        return {
            "workloads": self.workloads,
            **{verdict: self.verdicts.get(verdict, 0) for verdict in VERDICTS},
            "invalid": self.problems,
            "waivers_used": self.waivers_used,
            "waivers_expired": self.waivers_expired,
            "waivers_not_honoured": self.waivers_not_honoured,
            "baseline_accepted": self.accepted,
            "passing_by_baseline": self.by_baseline,
            **{f"baseline_{why}": self.idle.get(why, 0) for why in ("expired", "refused", "stale")},
        }


def tally(judged: Judged) -> Tally:
    """Count what a run came to."""
    findings = judged.findings
    return Tally(
        verdicts=Counter(judged.verdicts),
        problems=len(judged.problems),
        waivers_used=_waivers(judged, lambda each: each.kind == "waiver"),
        waivers_expired=_waivers(judged, is_expired),
        waivers_not_honoured=_waivers(judged, lambda each: each.kind == "waiver-not-honoured" and not is_expired(each)),
        accepted=sum(each.accepted is not None for each in findings),
        by_baseline=sum(_passes_by_baseline(each) for each in judged.workloads),
        idle=_idle(judged.baseline) if judged.baseline is not None else {},
    )


def _idle(use: Use) -> dict[str, int]:
    return {"expired": len(use.expired), "refused": len(use.refused), "stale": len(use.stale)}


def is_expired(finding: Finding) -> bool:
    """Whether a finding is of a waiver that lifts nothing any more because its last day is over."""
    return finding.kind == "waiver-not-honoured" and any(ground.startswith(_ENDED) for ground in finding.grounds)


def _waivers(judged: Judged, counts: Callable[[Finding], bool]) -> int:
    """Return how many waivers are on the workloads of a run of which a finding counts."""
    return sum(len({found.waiver for found in each.findings if counts(found)}) for each in judged.workloads)


def _passes_by_baseline(workload: JudgedWorkload) -> bool:
    return workload.effect in _PASSING and effect_of(workload.decision.verdict) not in _PASSING


def counted(number: int, what: str) -> str:
    """Return a number with what it counts, in the plural where it has to be."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def totals_text(found: Tally) -> str:
    """Say how many workloads came to which verdict, the gravest first, and how much was invalid."""
    graver: Sequence[str] = [verdict for verdict in reversed(VERDICTS) if found.verdicts.get(verdict)]
    parts = [f"{found.verdicts[verdict]:,} {verdict.replace('_', ' ')}" for verdict in graver]
    text = counted(found.workloads, "workload") + (f": {', '.join(parts)}" if parts else "")
    return f"{text}; {counted(found.problems, 'problem')} in files that cannot be judged" if found.problems else text


def waivers_text(found: Tally) -> str:
    """Say how many waivers were used, and how many were not honoured."""
    parts = [(found.waivers_used, "used"), (found.waivers_expired, "expired")]
    parts.append((found.waivers_not_honoured, "not honoured for another reason"))
    named = [f"{number:,} {what}" for number, what in parts if number]
    return f"waivers: {listed(named)}" if named else "waivers: none"


def baseline_text(found: Tally) -> str:
    """Say how many findings a baseline accepts, how many workloads pass by that alone, and which entries are idle."""
    text = f"accepted by a baseline: {counted(found.accepted, 'finding') if found.accepted else 'none'}"
    if found.by_baseline:
        text += f", by which {counted(found.by_baseline, 'workload')} pass{'es' if found.by_baseline == 1 else ''}"
    idle = listed([f"{number:,} {why}" for why, number in found.idle.items() if number])
    return f"{text}; of its entries {idle}" if idle else text
