"""The columns of a fleet: names of those that come in and go out, and the index that the masks are read with.

Nothing here imports Polars.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from policy_engine.loading.policy import Policy
from policy_engine.model.vocabulary import OPTIONS, Fact
from policy_engine.model.workload import Gpu

ROW = "row"
MIN_SCORES = "task.min_scores"
HARDWARE = "hardware"
#: What names the record of a decision in the findings.
DECISION, ENTRY = "decision", "entry"
#: What names a task in the findings.
IDENTITY = (ROW, "workload.namespace", "workload.name", "task.name")
#: Bits of one mask word.
WORD = 64
_DEVICES = "hardware.gpus"
#: Each kind of mask, with the list of the index that its bits stand for.
MASKS = {
    "fired": "rules",
    "indeterminate": "rules",
    "missing": "facts",
    "outstanding": "evidence",
    "uncertain": "evidence",
}
#: Facts that are no column of a workload's own: computed, or said of every workload.
_COMPUTED = ("rule", "catalog", "coalesced")
_GIVEN = (
    "workload.owner_present",
    "workload.task_count",
    "proposal.present",
    "proposal.fallback.present",
    "hardware.present",
    "migration.present",
    "migration.champion_present",
)
#: Facts that every row knows.
NEVER_NULL = frozenset(
    {
        "workload.namespace",
        "workload.name",
        "workload.stage",
        "workload.owner_present",
        "workload.task_count",
        "task.name",
        "task.kind",
        "task.share",
        "proposal.present",
        "proposal.fallback.present",
        "hardware.present",
        "hardware.measured",
        "migration.champion_present",
    }
)


def declared(policy: Policy) -> dict[str, Fact]:
    """Return the facts that are columns of the canonical frame, by name."""
    return {
        name: fact
        for name, fact in policy.vocabulary.facts.items()
        if name in _GIVEN or fact.source not in (*_COMPUTED, "derived")
    }


def evidence_column(name: str) -> str:
    """Return the column of a piece of evidence: the grade that counts, 0 for none, 1 asserted to 4 recorded."""
    return f"evidence.{name}"


class FleetIndex(Struct, frozen=True):
    """What each bit of a mask stands for: rule ids, facts, evidence names, each in the order of the bits."""

    rules: tuple[str, ...]
    facts: tuple[str, ...]
    evidence: tuple[str, ...]

    def names(self, mask: str) -> tuple[str, ...]:
        """Return what the bits of `mask` (`fired`, `missing` and so on) stand for."""
        found: tuple[str, ...] = getattr(self, MASKS[mask])
        return found

    def columns(self, mask: str) -> list[str]:
        """Return the columns of `mask`: a word of 64 bits each, the lowest first."""
        return [f"{mask}_{number}" for number in range(-(-len(self.names(mask)) // WORD))]

    def expand(self, mask: str, words: Sequence[int]) -> list[str]:
        """Return the names that the `words` of `mask` hold, in the order of the index."""
        names = self.names(mask)
        return [names[bit] for bit in _bits(words)]

    def document(self) -> dict[str, Any]:
        """Return the index as a document, to be kept beside the findings."""
        return {
            "apiVersion": "policy-engine/v1",
            "kind": "FleetIndex",
            "word_bits": WORD,
            "masks": {mask: {"columns": self.columns(mask), "of": names} for mask, names in MASKS.items()},
            "rules": list(self.rules),
            "facts": list(self.facts),
            "evidence": list(self.evidence),
        }


def index_of(policy: Policy, benchmarks: Sequence[str]) -> FleetIndex:
    """Return the index of the findings under `policy`; a floor may be asked for in any of `benchmarks`."""
    facts = {*policy.vocabulary.facts, MIN_SCORES, "migration", *(f"{MIN_SCORES}.{name}" for name in benchmarks)}
    facts |= {_DEVICES, *(f"{_DEVICES}.{name}" for name in Gpu.model_fields)}
    rules = tuple(rule.id for rule in policy.rules.rules)
    return FleetIndex(rules, tuple(sorted(facts)), tuple(sorted(policy.vocabulary.evidence)))


def findings_columns(index: FleetIndex, keep: Sequence[str] = ()) -> list[str]:
    """Return the names of the findings' columns, in order."""
    figures = ("status", "score", "score_low", "score_high", "monthly_usd")
    return [
        *IDENTITY,
        *keep,
        "verdict",
        "judged",
        "recommendation",
        "provisional",
        "firm",
        "model",
        "monthly_usd",
        "cheapest",
        *(f"{figure}.{option}" for figure in figures for option in OPTIONS),
        "fallback_verdict",
        "conflict",
        *(column for mask in MASKS for column in index.columns(mask)),
    ]


def _bits(words: Sequence[int]) -> Iterator[int]:
    for number, word in enumerate(words):
        rest = int(word)
        while rest:
            low = rest & -rest
            yield number * WORD + low.bit_length() - 1
            rest ^= low


def masked(row: Mapping[str, Any], index: FleetIndex, mask: str) -> list[str]:
    """Return the names that `mask` holds in a row of the findings."""
    return index.expand(mask, [row[column] for column in index.columns(mask)])
