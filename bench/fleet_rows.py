"""Fleets made up: the canonical frame with independent columns, nulls, and values at the rules' cut points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import polars as pl

from policy_engine.fleet.columns import HARDWARE, MIN_SCORES, declared, evidence_column
from policy_engine.fleet.source import CHAMPION, COUNT, HAS_CHAMPION, MIGRATION, SHARE, source_columns
from policy_engine.language import tree
from policy_engine.loading.policy import Policy
from policy_engine.lowering.conditions import with_parameters
from policy_engine.lowering.to_polars import TYPES
from policy_engine.model.vocabulary import Fact

#: Values that are drawn for one fact: as many as a fleet has, at most.
DRAWN = 4096
#: How often a fact is unknown, a deployment is proposed, and a proposal has a fallback.
UNKNOWN, PROPOSED, FALLBACK = 0.06, 0.6, 0.25
_LISTS: Mapping[str, list[list[str]]] = {
    "task.modalities": [["text"], ["text"], ["text"], ["text", "vision"], ["text", "tool_use"], ["audio"]],
    "data.residency": [["anywhere"], ["anywhere"], ["us"], ["eu"], ["eu", "ch"], ["eu-central-1"], ["us", "moon"]],
    "data.regulations": [[], [], ["gdpr"], ["hipaa"], ["gdpr", "hipaa"], ["soc2", "sox"], ["pci"]],
}
_FLOORS = ["{}", "{}", "{}", '{"mmlu":80.0}', '{"humaneval":85.0}', '{"gsm8k":90.0,"mmlu":88.0}', '{"mmlu":null}']
_REGIONS = ["us", "eu", "us-east-1", "eu-central-1", "ch", "moon"]
_NAMES = {
    "workload.namespace": ["default", "claims", "search", "sandbox"],
    "proposal.provider": ["openai", "elsewhere"],
}
_RANGES = {
    "task.context_tokens": [1, 1000, 4096, 8000, 8192, 8193, 30_000, 128_000, 200_000, 1_000_001],
    "volume.input_tokens_per_month": [0, 10**6, 2 * 10**7, 4 * 10**8, 5 * 10**9, 2**53 - 1],
    "volume.output_tokens_per_month": [0, 10**5, 5 * 10**6, 10**8],
    "workload.task_count": [1, 1, 1, 2, 3],
}


def fleet(policy: Policy, rows: int, seed: int = 1) -> pl.DataFrame:
    """Return a canonical frame of `rows` tasks; no hardware is claimed. The same seed gives the same frame."""
    draw = Random(seed)  # noqa: S311 - figures, not secrets
    facts = declared(policy)
    cuts = _cut_points(policy)
    columns = {name: _column(name, fact, policy, cuts.get(name, []), rows, draw) for name, fact in facts.items()}
    columns[MIN_SCORES] = _spread(_FLOORS, pl.String(), rows, draw, UNKNOWN)
    columns[HARDWARE] = pl.Series([None] * rows, dtype=pl.String)
    for name in policy.vocabulary.evidence:
        columns[evidence_column(name)] = _spread([0, 1, 1, 2, 3, 4], pl.UInt8(), rows, draw)
    frame = pl.DataFrame({name: series.alias(name) for name, series in columns.items()})
    numbers = pl.int_range(0, rows, dtype=pl.UInt64, eager=True).alias("row")
    return frame.insert_column(0, numbers).with_columns(_consistent(facts))


def source(policy: Policy, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table that `policy sweep` reads, all of whose rows are valid, and say what a frame of `fleet` says."""
    columns = source_columns(policy.vocabulary).kinds
    facts = [name for name in declared(policy) if name in columns and name not in (CHAMPION, SHARE)]
    several = pl.col(COUNT) > 1
    found = [pl.col(name) for name in facts]
    found += [pl.when(several).then(SHARE).otherwise(1.0).alias(SHARE), pl.col(MIN_SCORES)]
    for name in policy.vocabulary.evidence:
        held = pl.col(evidence_column(name)) > 0
        found.append(pl.when(held).then(pl.lit("documents/it.pdf")).alias(f"evidence.{name}"))
    table = frame.select(found)
    stays = pl.col(MIGRATION).fill_null(True)
    moved = [name for name in table.columns if name.startswith("migration.") and name not in (MIGRATION, HAS_CHAMPION)]
    return table.with_columns(
        *(pl.when(stays).then(pl.col(name)).alias(name) for name in moved),
        pl.when(stays).then(pl.col(HAS_CHAMPION)).alias(HAS_CHAMPION),
    )


def _spread(values: Sequence[Any], dtype: Any, rows: int, draw: Random, unknown: float = 0.0) -> pl.Series:
    """Return `rows` of `values`, each as often as the others, with so many nulls."""
    drawn = [None if draw.random() < unknown else draw.choice(values) for _ in range(min(rows, DRAWN))]
    return pl.Series(drawn, dtype=dtype).sample(rows, with_replacement=True, seed=draw.getrandbits(32))


def _column(name: str, fact: Fact, policy: Policy, cuts: list[Any], rows: int, draw: Random) -> pl.Series:
    dtype = TYPES[fact.type]
    unknown = 0.0 if fact.never_unknown or name == "task.share" else UNKNOWN
    if name in ("proposal.present", "proposal.fallback.present"):
        often = PROPOSED if name == "proposal.present" else FALLBACK
        return _spread([True] * round(often * 20) + [False] * round((1 - often) * 20), dtype, rows, draw)
    if name in ("proposal.deployment", "proposal.fallback.deployment"):
        unknown = 0.0
    if fact.type == "bool":
        mostly = [fact.default] * 6 if isinstance(fact.default, bool) else []
        return _spread([True, False, *mostly], dtype, rows, draw, unknown)
    if fact.type == "list<string>":
        return _spread(_LISTS.get(name, [[], ["a"], ["a", "b"]]), dtype, rows, draw, unknown)
    if fact.type == "string":
        return _spread(_texts(name, fact, policy), dtype, rows, draw, unknown)
    values = [*_RANGES.get(name, []), *cuts] or [_bounded(fact, each) for each in (0, 1, 2, 50, 1000, 10**6)]
    typed = [_bounded(fact, each) for each in values]
    return _spread(typed if name != "task.share" else [1.0, 1.0, 0.5, 0.25], dtype, rows, draw, unknown)


def _texts(name: str, fact: Fact, policy: Policy) -> list[str]:
    if fact.values:
        return list(fact.values)
    if name.endswith(".model"):
        return [*policy.catalog.models, "no-such-model"]
    if name.endswith("region"):
        return _REGIONS
    return _NAMES.get(name, [f"{name.rpartition('.')[2]}-{number}" for number in range(DRAWN)])


def _bounded(fact: Fact, value: Any) -> Any:
    """Return the number nearest to `value` that the fact may have."""
    least = value if fact.minimum is None else max(value, fact.minimum)
    found = least if fact.maximum is None else min(least, fact.maximum)
    return float(found) if fact.type == "double" else int(found)


def _cut_points(policy: Policy) -> dict[str, list[Any]]:
    """Return, by fact, the constants that conditions compare it with, and their neighbours."""
    conditions = with_parameters(policy.rules)
    found: dict[str, list[Any]] = {}
    for index in range(len(policy.rules.rules)):
        for node in tree.walk(conditions.of(index)):
            if isinstance(node, tree.Compare) and isinstance(node.left, tree.FactRef):
                constant = node.right
                if isinstance(constant, tree.Const) and isinstance(constant.value, int | float):
                    cut = constant.value
                    found.setdefault(node.left.name, []).extend([cut - 1, cut, cut + 1])
    return found


def _consistent(facts: Mapping[str, Fact]) -> list[pl.Expr]:
    """Return what makes a workload of independent columns: nothing is said of a proposal that there is not."""
    present = pl.col("proposal.present")
    fallback = present & pl.col("proposal.fallback.present")
    found = [fallback.alias("proposal.fallback.present"), pl.lit(True).alias("workload.owner_present")]
    found += [pl.lit(False).alias("hardware.present")]
    for name in facts:
        if name.startswith("hardware.") and name != "hardware.present":
            found.append(pl.lit(None, dtype=TYPES[facts[name].type]).alias(name))
        elif name.startswith("proposal.") and not name.endswith(".present"):
            there = fallback if name.startswith("proposal.fallback.") else present
            found.append(pl.when(there).then(pl.col(name)).alias(name))
    return found
