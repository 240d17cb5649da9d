"""What is in force, as API and console show it: the policy, its rules, the catalog.

All functions of the ledger block, and are asked through `Service.read`; the rest works on the policy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from policy_engine import SEMANTICS_VERSION, __version__
from policy_engine.errors import PolicyError, Problem, UsageError
from policy_engine.service.errors import NotFoundError
from policy_engine.service.recorded import as_parameters

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.browsing.compare_value import Compared
    from policy_engine.browsing.contest import Contest
    from policy_engine.browsing.sheet import Sheet
    from policy_engine.cases import LayerCases
    from policy_engine.loading.policy import Policy
    from policy_engine.service.rules_folder import Failed
    from policy_engine.service.rules_in_force import RulesInForce


def policy_shown(ledger: Ledger, policy: Policy, rules_in_force: RulesInForce) -> dict[str, Any]:
    """Return the policy in force: digests, layers, parameters, approvers, versions, and since when it decided.

    `reload` says why other rules that were given are not in force; it is None where they are.
    Approvers are shown as the policy's digest has them: ids, public keys and scopes, and names as commitments.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    from policy_engine.loading.rule_document import parameter_document

    rules = policy.rules
    return {
        "kind": "Policy",
        "policy": policy.digest,
        "catalog": policy.catalog.digest,
        "engine": {"version": __version__, "semantics": SEMANTICS_VERSION},
        "layers": [{"name": layer.name, "digest": layer.digest} for layer in rules.layers],
        "rules": len(rules.rules),
        "parameters": {
            name: {**parameter_document(each), "layer": each.layer} for name, each in sorted(rules.parameters.items())
        },
        "approvers": policy.approvers.document(),
        "first_decision": _first_decision(ledger, policy.digest),
        "loaded_at": rules_in_force.loaded_at,
        "reload": _reload_shown(rules_in_force.failed),
    }


def _reload_shown(failed: Failed | None) -> dict[str, Any] | None:
    return {"status": "failed", "since": failed.since, "problems": failed.problems} if failed is not None else None


def _first_decision(ledger: Ledger, digest: str) -> dict[str, Any] | None:
    from policy_audit.records import DecisionQuery
    from policy_audit.snapshot import open_snapshot

    with open_snapshot(ledger) as snapshot:
        found = snapshot.select(DecisionQuery(policy_digest=digest)).page(1, newest=False).decisions
    return {"index": found[0].row.index, "recorded_at": found[0].row.recorded_at} if found else None


def rules_shown(policy: Policy, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules that the filters select, as `policy rules list -o json` has them; none is an empty list.

    Raises:
        UsageError: a filter has a name that is not there.
    """
    from policy_engine.browsing.rules import list_value, selected

    try:
        found = selected(policy.rules, **asked)
    except UsageError as error:
        if error.code != "no-match":
            raise
        found = []
    shown = list_value(policy, found)
    return {**shown, "rules": [{**rule, "place": _placed(rule["place"])} for rule in shown["rules"]]}


def _placed(place: str | None) -> str | None:
    """Return a place within its layer; where the server keeps its files is nobody's business."""
    return None if place is None else "/".join(place.replace("\\", "/").split("/")[-2:])


class RuleSheets:
    """Rules in full, with their cases, which are read of the layers once for each policy."""

    def __init__(self, layers: Sequence[Path]) -> None:
        self._layers = tuple(layers)
        self._lock = Lock()
        self._read: tuple[str, list[LayerCases]] | None = None

    def rule(self, policy: Policy, name: str) -> dict[str, Any]:
        """Return a rule as `policy rules show -o json` has it.

        `cases` is None where the layers' files are not those of the policy in force any more.

        Raises:
            NotFoundError: no rule in force has that id.
        """
        from policy_engine.browsing.rules import cases_of, named_rule, rule_shown

        try:
            rule = named_rule(policy, name)
        except UsageError as error:
            raise NotFoundError(error.problems) from error
        gathered = self._gathered(policy)
        shown = rule_shown(policy, rule, cases_of(gathered or (), rule))
        cases = [{**case, "place": _placed(case["place"])} for case in shown["cases"]]
        return {**shown, "place": _placed(shown["place"]), "cases": cases if gathered is not None else None}

    def _gathered(self, policy: Policy) -> list[LayerCases] | None:
        from policy_engine.cases import gather

        with self._lock:
            if self._read is None or self._read[0] != policy.digest:
                try:
                    found = gather(self._layers)
                except PolicyError:
                    return None
                if found[-1].policy.digest != policy.digest:
                    return None
                self._read = policy.digest, found
            return self._read[1]


def models_listed(policy: Policy, day: date, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models that the filters select, as `policy catalog list -o json` has them.

    Raises:
        UsageError: a filter is wrong.
    """
    from policy_engine.browsing.asked import models_asked
    from policy_engine.browsing.list_value import as_value

    try:
        return as_value(models_asked(policy.catalog, day, **asked))
    except UsageError as error:
        raise as_parameters(error) from error


def model_shown(policy: Policy, day: date, name: str) -> dict[str, Any]:
    """Return everything about a model, as `policy catalog show -o json` has it.

    Raises:
        NotFoundError: the catalog has none of that name or alias.
    """
    from policy_engine.browsing.sheet_value import as_value

    return as_value(model_sheet(policy, day, name))


def model_sheet(policy: Policy, day: date, name: str) -> Sheet:
    """Return everything about a model.

    Raises:
        NotFoundError: the catalog has none of that name or alias.
    """
    from policy_engine.browsing.named import named_model
    from policy_engine.browsing.sheet import Sheet

    try:
        model = named_model(policy.catalog, name)
    except UsageError as error:
        raise NotFoundError(error.problems) from error
    return Sheet(policy.catalog, model, day)


def models_side_by_side(policy: Policy, day: date, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return models side by side, as `policy catalog compare -o json` has them.

    Raises:
        UsageError: fewer than two are named, or what the catalog has not.
    """
    from policy_engine.browsing.compare_value import as_value

    return as_value(models_compared(policy, day, asked))


def models_compared(policy: Policy, day: date, asked: Mapping[str, Any]) -> Compared:
    """Return models side by side.

    Raises:
        UsageError: fewer than two are named, or what the catalog has not.
    """
    from policy_engine.browsing import asked as asking

    rest = {name: value for name, value in asked.items() if name != "model"}
    try:
        return asking.models_compared(policy.catalog, day, asked["model"], **rest)
    except UsageError as error:
        raise as_parameters(error) from error


def disputes_shown(policy: Policy, day: date, names: Sequence[str]) -> dict[str, Any]:
    """Return the disputes that are named, by default all, as `policy catalog disputes -o json` has them.

    Raises:
        UsageError: the register has none of that id.
        NotFoundError: the register is empty.
    """
    from policy_engine.browsing.dispute_value import as_value

    return as_value(contests(policy, day, names))


def contests(policy: Policy, day: date, names: Sequence[str]) -> list[Contest]:
    """Return the disputes that are named, by default all.

    Raises:
        UsageError: the register has none of that id.
        NotFoundError: the register is empty.
    """
    from policy_engine.browsing.asked import disputes_asked

    found = disputes_asked(policy, day, names)
    if not found:
        raise NotFoundError(Problem("no-disputes", "the register has no disputes"))
    return found
