"""The named reports: what each is, which options it takes, and the module that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policy_engine.reports.asking import Asked
    from policy_engine.reports.report import Report

PERIOD = frozenset({"since", "until", "as_of"})
PLACE = frozenset({"workload", "namespace"})
FILTERS = (
    PERIOD
    | PLACE
    | {
        "owner",
        "verdicts",
        "rule",
        "criterion",
        "regulation",
        "model",
        "deployment",
        "missing_evidence",
        "stage",
        "purpose",
        "policy_digest",
        "run",
    }
)


@dataclass(frozen=True)
class Named:
    """A report: its title, what it answers in a line, where it is made (`module:function`), the options it takes."""

    title: str
    says: str
    made_by: str
    takes: frozenset[str]

    def make(self, asked: Asked) -> Report:
        """Return the report."""
        module, _, function = self.made_by.partition(":")
        maker: Callable[[Asked], Report] = getattr(import_module(f"policy_engine.reports.{module}"), function)
        return maker(asked)


NO_VERDICT = FILTERS - {"verdicts"}
REPORTS: dict[str, Named] = {
    "decisions": Named("Decisions", "Every decision that the filters select.", "decisions:decisions", FILTERS),
    "soc2-population": Named(
        "SOC 2 population of decisions",
        "The population of a period, or with --sample and --seed a sample of it.",
        "decisions:soc2_population",
        FILTERS | {"sample", "seed"},
    ),
    "hipaa-access": Named(
        "HIPAA access report", "Who read or exported what, as far as on record.", "doings:hipaa_access", PERIOD
    ),
    "ai-act-log": Named(
        "EU AI Act log extract",
        "Decisions with what they were made of: supporting evidence, no claim of conformity.",
        "decisions:ai_act_log",
        FILTERS,
    ),
    "waivers": Named(
        "Waiver register",
        "Waivers: active, expiring, used out of time, self-approved.",
        "register:waivers",
        frozenset({"as_of", "at", "within", "layers"}),
    ),
    "separation-of-duties": Named(
        "Separation of duties",
        "Who asked and who approved, and acts by nobody who is named.",
        "doings:separation_of_duties",
        PERIOD,
    ),
    "policy-changes": Named(
        "Policy-change history",
        "Activations, and the policies that decisions were made under.",
        "policies:policy_changes",
        PERIOD,
    ),
    "policy-in-force": Named(
        "Policy in force",
        "Which policy was in force at --at, and who activated it.",
        "policies:policy_in_force",
        frozenset({"at"}),
    ),
    "integrity": Named(
        "Integrity certificate",
        "A verification of the whole ledger, bound to its checkpoint.",
        "incident:integrity",
        frozenset({"vkeys", "origin", "kept"}),
    ),
    "retention": Named(
        "Retention and disposal",
        "Periods, legal holds, what is due at --at, and disposals.",
        "keeping:retention",
        frozenset({"at", "layers"}),
    ),
    "incident": Named(
        "Incident timeline", "All entries of a period, or of a workload.", "incident:incident", PERIOD | PLACE
    ),
    "rule-impact": Named(
        "Impact of a rule change",
        "Decisions by rule under two policies: --before and --after, by default the last two.",
        "policies:rule_impact",
        frozenset({"as_of", "before", "after"}),
    ),
    "denials": Named("Denials and repeats", "Denials, and which came back unchanged.", "decisions:denials", NO_VERDICT),
    "missing-evidence": Named(
        "Decisions without required evidence",
        "Decisions whose required evidence was not there.",
        "decisions:missing_evidence",
        FILTERS,
    ),
    "expired": Named(
        "Decisions past their validity",
        "Workloads whose decision has run out and was not made again.",
        "workloads:expired",
        PLACE | {"as_of", "at"},
    ),
    "models": Named(
        "Models in use, by workload",
        "The model that each workload was last decided for.",
        "workloads:models",
        PLACE | {"as_of", "at"},
    ),
    "erasures": Named(
        "Erasures", "Erasures, refusals, disposals, changes of the personal key.", "keeping:erasures", PERIOD
    ),
    "gaps": Named(
        "Gaps and restores",
        "Periods without entries, restores, key rotations, watching that broke off.",
        "course:gaps",
        PERIOD | {"at", "longest"},
    ),
    "replay-mismatches": Named(
        "Replay mismatches",
        "Decisions that do not come out again from what is on record; the exit status is 6 where any fails.",
        "course:replays",
        PERIOD,
    ),
    "access": Named(
        "Subject access", "What the ledger holds of --subject.", "incident:access", frozenset({"as_of", "subject"})
    ),
    "flipped-facts": Named(
        "Denied, then allowed",
        "Denied, then allowed: what changed between, facts, waivers, policy, catalog or evidence.",
        "flipped:flipped_facts",
        PERIOD | PLACE,
    ),
}
