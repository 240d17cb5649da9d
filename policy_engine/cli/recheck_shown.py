"""What `policy recheck` says, as a value: what was due and why, and what came of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from policy_engine.decide import format_time
from policy_engine.model.task_case import VERDICTS
from policy_engine.rechecks.running import Asked, Outcome, Recheck

if TYPE_CHECKING:
    from policy_engine.comparing import Comparison
    from policy_engine.loading.policy import Policy

#: By whom each is called in the report: all that are on record add up to these.
STATUSES = ("rechecked", "due", "not_due", "decided_today", "superseded", "not_rechecked")
_LISTED = frozenset({"rechecked", "due", "decided_today", "superseded", "not_rechecked"})


class Said:
    """Gathers the outcomes of a run; `complete` once all are there."""

    def __init__(
        self,
        asked: Asked,
        policy: Policy,
        run: Recheck,
        fail_on: Sequence[str] = (),
        *,
        only_list: bool = False,
    ) -> None:
        self._asked, self._policy, self._run, self._fail_on = asked, policy, run, fail_on
        self._only_list = only_list
        self._rows: list[dict[str, Any]] = []
        self._because: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._statuses: set[int] = set()
        self._met: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.complete = only_list

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Take what came of some decisions."""
        for outcome in outcomes:
            self.counts[outcome.status] += 1
            self._because.update({reason.kind for reason in outcome.reasons})
            if outcome.problem is not None:
                self._statuses.add(_status_of(outcome))
            if outcome.rechecked is not None:
                self._compared(outcome.rechecked.comparison)
                self.counts["evidence_as_recorded"] += bool(outcome.rechecked.files)
            if outcome.status in _LISTED:
                self._rows.append(_row(outcome))

    def _compared(self, found: Comparison) -> None:
        self._verdicts[found.verdict.after] += 1
        is_worse = worse(found)
        self.counts["changed" if found.changed else "same"] += 1
        self.counts["worse"] += is_worse
        self._met |= _conditions(found.verdict.after, changed=found.changed, is_worse=is_worse)

    @property
    def met(self) -> bool:
        """Whether a condition that is to fail the run was met."""
        return not self._met.isdisjoint(self._fail_on)

    @property
    def status(self) -> int:
        """The exit status."""
        from policy_engine.cli.main import CONDITION, LEDGER, OK, first_of

        damaged = any(older.tampered for older, _ in self._run.policies.all())
        return first_of([OK, *self._statuses, *([CONDITION] if self.met else []), *([LEDGER] if damaged else [])])

    def value(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        rules, wanted = self._policy.rules, self._asked.wanted
        counts = {name: self.counts[name] for name in STATUSES}
        return {
            "kind": "RecheckList" if self._only_list else "Recheck",
            "complete": self.complete,
            "at": format_time(self._asked.at),
            "within": self._asked.within,
            "purposes": sorted(wanted.purposes),
            "namespace": wanted.namespace,
            "workload": wanted.workload,
            "policy": {
                "digest": rules.digest,
                "version": rules.version,
                "layers": [{"name": layer.name, "digest": layer.digest} for layer in rules.layers],
            },
            "catalog": {"digest": self._policy.catalog.digest},
            "workloads": len(self._run),
            "hidden_deploy": self._run.hidden,
            **counts,
            **{name: self.counts[name] for name in ("changed", "same", "worse", "evidence_as_recorded")},
            "because": dict(sorted(self._because.items())),
            "verdicts": {name: self._verdicts[name] for name in VERDICTS if self._verdicts[name]},
            "fail_on": list(self._fail_on),
            "met": self.met,
            "policies": list(self._policies()),
            "decisions": sorted(self._rows, key=_order),
        }

    def _policies(self) -> Iterator[dict[str, Any]]:
        """Yield each older policy that decisions were made under, and all that is another in the effective one."""
        for older, count in self._run.policies.all():
            yield {
                **dict(older.digests),
                "decisions": count,
                "problem": older.problem,
                "layers_differing": list(older.layers),
                "differing": [
                    {"section": each.section, "name": each.name, "kind": each.kind, "title": each.title}
                    for each in older.written
                ],
            }


def _status_of(outcome: Outcome) -> int:
    from policy_engine.cli.main import LEDGER, RULES, USAGE

    problem = outcome.problem
    if problem is not None and problem.tampered:
        return LEDGER
    return RULES if problem is not None and problem.rules else USAGE


def _conditions(verdict: str, *, changed: bool, is_worse: bool) -> set[str]:
    found = {"deny", "review"} if verdict == "deny" else {verdict}
    return found | ({"changed"} if changed else set()) | ({"worse"} if is_worse else set())


def worse(found: Comparison) -> bool:
    """Whether the verdict of the workload, or of a task of it, got worse."""
    changes = [found.verdict, *(task.verdict for task in found.tasks)]
    return any(_rank(each.after) > _rank(each.before) for each in changes)


def _rank(verdict: str | None) -> int:
    return VERDICTS.index(verdict) if verdict in VERDICTS else -1


def _row(outcome: Outcome) -> dict[str, Any]:
    import msgspec

    standing, problem, made = outcome.standing, outcome.problem, outcome.rechecked
    view = standing.view
    row: dict[str, Any] = {
        "index": standing.index,
        "decision_id": standing.decision_id,
        "workload": standing.identity,
        "purpose": standing.purpose,
        "status": outcome.status,
        "reasons": [msgspec.to_builtins(reason) for reason in outcome.reasons],
        "problem": {"reason": problem.reason, "why": problem.why} if problem is not None else None,
        "verdict": {"before": view["verdict"], "after": None},
        "valid_until": {"before": _second(view.get("valid_until")), "after": None},
        "changed": None,
        "worse": None,
        "new": None,
        "plan_monthly_usd": None,
        "tasks": [],
        "evidence_as_recorded": [],
    }
    if made is None:
        return row
    found = made.comparison
    row["valid_until"] |= {"after": made.valid_until}
    return row | {
        "verdict": msgspec.to_builtins(found.verdict),
        "changed": found.changed,
        "worse": worse(found),
        "new": {"decision_id": made.decision_id, **made.ledger},
        "plan_monthly_usd": msgspec.to_builtins(found.monthly_usd),
        "tasks": msgspec.to_builtins(found.tasks),
        "evidence_as_recorded": list(made.files),
    }


def _second(moment: str | None) -> str | None:
    """Return a time of a query column as a decision writes it."""
    return moment.replace(".000000Z", "Z") if moment is not None else None


def _order(row: dict[str, Any]) -> tuple[int, int, int]:
    """Worse verdicts first, the worst of them before the others; then what could not be decided, changed, the same."""
    if row["worse"]:
        return 0, -_rank(row["verdict"]["after"]), row["index"]
    if row["problem"] is not None:
        return 1, 0, row["index"]
    return (2 if row["changed"] else 3), 0, row["index"]
