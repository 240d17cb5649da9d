"""Everything that is proved of a policy, in order: what holds of any rules, and what its properties say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic

from policy_engine.errors import Problem, UsageError, did_you_mean
from policy_engine.loading.policy import Policy
from policy_engine.loading.properties import Property, read_properties
from policy_engine.proofs.builtin import Builtin
from policy_engine.proofs.monotone import MONOTONE, TITLE, monotone
from policy_engine.proofs.prover import Prover
from policy_engine.proofs.results import Check, Result
from policy_engine.proofs.stated import prove

DEFAULT_TIMEOUT_S = 10.0


def prove_all(
    policy: Policy,
    paths: Sequence[Path],
    at: datetime,
    names: Sequence[str] = (),
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> list[Result]:
    """Return what comes out for the properties called `names`, or for all of them.

    `paths` are the layers that `policy` was loaded with. Each question has `timeout_s` seconds; what is not answered
    by then is undecided, and never proved.

    Raises:
        RulesError: the properties are invalid, or a rule cannot be said to the prover.
        UsageError: a name is no property's.
    """
    properties = read_properties(paths, policy)
    stated = properties.properties
    conditions = [node for each in stated for node in (each.holds, each.when) if node is not None]
    prover = Prover(policy, at, timeout_s, conditions)
    checks = Builtin(prover, properties).checks()
    checks.append(Check(MONOTONE, TITLE, lambda: monotone(prover)))
    checks += [_check(prover, each) for each in stated]
    _refuse_unknown(names, [each.id for each in checks])
    return [_timed(each) for each in checks if not names or each.id in names]


def _check(prover: Prover, stated: Property) -> Check:
    return Check(stated.id, stated.title, lambda: prove(prover, stated))


def _timed(check: Check) -> Result:
    began = monotonic()
    return replace(check.run(), seconds=monotonic() - began)


def _refuse_unknown(names: Sequence[str], known: Sequence[str]) -> None:
    problems = []
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"they are {', '.join(known)}"
            problems.append(Problem("unknown-property", f"there is no property `{name}`", help=hint))
    if problems:
        raise UsageError(problems)
