"""What two changes come to by what each comes to alone, where hardly anything reads both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.counterfactuals.changed import CHOSEN
from policy_engine.counterfactuals.choices import Domain
from policy_engine.counterfactuals.grounds import Came
from policy_engine.counterfactuals.index import Index
from policy_engine.counterfactuals.trial import Trial

MODEL = "proposal.model"
_OF_CATALOG = CHOSEN | {"catalog"}
#: What reads a fact: rules by their index, the catalog, and what is computed.
Groups = frozenset[int | str]


def shared_of(domain: Domain, index: Index, rules: int, costs: bool) -> Groups:
    """Return what reads any of the facts that the domain's changes state: of `rules`, as bits, and the rest."""
    names = {name for choice in domain.choices for name in choice.changes}
    return frozenset().union(*(index.groups(name, rules, costs) for name in names))


class Near:
    """Puts two changes of one task together."""

    def __init__(self, trial: Trial, index: Index) -> None:
        self._trial, self._index = trial, index
        self._facts, self._fallback = trial.world.facts, trial.now.grounds.beside is not None
        self._limit: Any = index.judge.parameters["edge_latency_ms"]

    def can(self, groups: Groups) -> bool:
        """Whether of all that reads both changes each is a rule on declared facts alone, which is soon asked."""
        if self._trial.world.case.waivers or (groups and self._fallback):
            return False
        return all(isinstance(each, int) and self._index.plain(each) for each in groups)

    def by_catalog(self, groups: Groups, facts: frozenset[str]) -> bool:
        """Whether of all that reads both `facts` each is the catalog, or reads of them only what it chooses."""
        if self._trial.world.case.waivers:
            return False
        rules = [each for each in groups if isinstance(each, int)]
        if not all(isinstance(each, int) or each in _OF_CATALOG for each in groups):
            return False
        return all(self._index.by_choice(each, facts) for each in rules)

    def view(self, domain: Domain, place: int) -> Any:
        """Return what the catalog sees of a choice; of two with the same it sees no difference."""
        value, routed = domain.choices[place].value, self._trial.world.needs.routed
        if domain.fact == "task.latency_p95_ms":
            return bool(value.start < self._limit)
        if domain.fact in ("task.kind", "task.complexity") and not routed:
            return domain.fact == "task.kind" and value == "coding"
        return place

    def view_now(self, domain: Domain) -> Any:
        """Return what the catalog sees of the fact as it is."""
        return None if domain.now is None else self.view(domain, domain.now)

    def together(
        self, one: Came, two: Came, changes: tuple[Mapping[str, Any], Mapping[str, Any]], groups: Groups
    ) -> Came | None:
        """Return what both come to; None where that takes asking anew."""
        if not groups:
            return self._trial.together(one, two, {})
        get = {**self._facts, **changes[0], **changes[1]}.get
        found = {each: self._index.asked(each, get) for each in groups if isinstance(each, int)}
        return self._trial.together(one, two, found)
