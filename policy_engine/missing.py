"""The facts that are missing, and those of them that could change the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from policy_engine.catalog import HardwareClaim
from policy_engine.catalog.boxes import box_of
from policy_engine.completing import choice_waits
from policy_engine.facts import PROPOSED
from policy_engine.judging import Judge
from policy_engine.model.origins import ORIGINS, PROVIDER
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.task_case import ProposalRuling, TaskResult
from policy_engine.model.vocabulary import OPTIONS

#: Who is proposed, by the fact that says where.
_PROVIDERS = {
    PROVIDER: "proposal.deployment",
    f"proposal.fallback.{PROVIDER.removeprefix('proposal.')}": "proposal.fallback.deployment",
}


class MissingFacts:
    """Says what a team could be asked about a task, and what the catalog does not know."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    def of(self, result: TaskResult) -> tuple[list[str], list[str]]:
        """Return the declared facts that are missing, and those of them that hold the verdict where it is.

        INVARIANT: knowledge is monotone, so a deny stands whatever is learnt, and an allowance never becomes a
        review; only what a review (or a condition) waits for can change the verdict. The one exception is signed: a
        waiver of a rule that nobody could decide ends when what it waited for becomes known.
        """
        everything: set[str] = set()
        for missing in result.missing_of.values():
            everything |= missing
        for option in OPTIONS:
            everything |= set(result.models[option].missing) | result.standings[option].cost_open
        weights = self._waiting(result)
        asked = self.expand(everything | weights.keys(), result)
        decisive: dict[str, int] = {}
        for name, weight in weights.items():
            for origin in self.expand([name], result):
                decisive[origin] = max(decisive.get(origin, 0), weight)
        ordered = sorted(decisive, key=lambda name: (-decisive[name], name))
        return ordered + [name for name in asked if name not in decisive], ordered

    def catalog_gaps(self, result: TaskResult) -> list[str]:
        """Return what the catalog does not know and the verdict waits for, as places in its files."""
        return sorted(name for name in self._waiting(result) if name.startswith("catalog."))

    def _waiting(self, result: TaskResult) -> dict[str, int]:
        """The facts that the verdict waits for: 3 may rule out, 2 may oblige, 1 may reorder or add a condition."""
        weights: dict[str, int] = {}

        def add(names: Iterable[str], weight: int) -> None:
            for name in names:
                weights[name] = max(weights.get(name, 0), weight)

        if result.verdict == "deny":
            return weights
        judged = result.standings[result.judged] if result.judged is not None else None
        if judged is not None and judged.status == "uncertain":
            add(judged.missing, 3)
        if result.proposal is not None and result.proposal.holds is None:
            add(result.proposal.missing, 3)
            add(self._unknown_places(result, result.proposal, "proposal"), 3)
        if result.fallback is not None and result.fallback_verdict == "review":
            add(_of_fallback(result.fallback.missing), 3)
            add(self._unknown_places(result, result.fallback, "proposal.fallback"), 3)
        if result.proposal is None and not result.ranking.firm:
            add(result.ranking.open_facts, 3 if result.ranking.recommended is None else 1)
        self._add_waived(result, add)
        if result.judged is None:
            self._add_later(result, add)
        for obligation in result.obligations:
            if obligation.status == "uncertain":
                for rule in obligation.rules:
                    missing = result.missing_of.get(self.judge.index_of[rule], frozenset())
                    add(missing, 1 if obligation.enforcement == "advisory" else 2)
        for index, missing in result.missing_of.items():
            if result.enforcement[index] == "advisory" and self._concerns(index, result):
                add(missing, 1)
        return weights

    def _add_waived(self, result: TaskResult, add: Callable[[Iterable[str], int], None]) -> None:
        """What waivers that were used rest on not knowing: they end when it becomes known."""
        for each in result.lifting.lifts:
            if each.applies and each.waiver.statement.scope.option == result.judged:
                add(each.waiver.statement.decided.missing, 3)
        for each in result.fallback_lifting.lifts:
            if each.applies:
                add(_of_fallback(each.waiver.statement.decided.missing), 3)

    def _add_later(self, result: TaskResult, add: Callable[[Iterable[str], int], None]) -> None:
        """While nothing is permitted: what will order the options that may come to be, and oblige on them."""
        open_options = {option for option, standing in result.standings.items() if standing.status == "uncertain"}
        for index, missing in result.missing_of.items():
            rule = self.judge.rules[index]
            obliged = {option for options in rule.require.values() for option in options}
            if open_options & obliged and result.enforcement[index] != "advisory":
                add(missing, 2)
            elif open_options & (obliged | rule.prefer.keys() | rule.disfavour.keys()):
                add(missing, 1)

    def _concerns(self, index: int, result: TaskResult) -> bool:
        """Whether a forbid names what is judged."""
        forbid = self.judge.rules[index].forbid
        return result.judged in forbid or (result.proposal is not None and PROPOSAL in forbid)

    def _unknown_places(self, result: TaskResult, ruling: ProposalRuling, prefix: str) -> list[str]:
        """The entries that the catalog lacks of what is proposed: its model, and regions."""
        found = [f"catalog.models.{result.facts[f'{prefix}.model']}"] if ruling.unknown_model else []
        if "proposal.region_allowed" in ruling.missing:
            regions = [result.facts.get(f"{prefix}.region"), *result.facts.get("data.residency", ())]
            known = self.judge.policy.catalog.regions
            found += [f"catalog.regions.{name}" for name in regions if name is not None and name not in known]
        return found

    def expand(self, names: Iterable[str], result: TaskResult) -> list[str]:
        """Return the declared facts behind `names` that are indeed missing, sorted."""
        found: set[str] = set()
        for name in names:
            origins = ORIGINS.get(name)
            if origins is None and name.startswith(("licence.", "cost.")):
                origins = self._choice_origins(name, result)
            for origin in origins if origins is not None else (name,):
                if origin.startswith("catalog."):
                    continue  # nothing that a team knows of its workload: see `catalog_gaps`
                if result.facts.get(origin) is None and self._claimed(origin, result.case.hardware):
                    found.add(origin)
        for name, deployment in _PROVIDERS.items():
            if not self.judge.policy.catalog.places(result.facts.get(deployment), None).perhaps:
                found.discard(name)  # who it is tells nothing of where it runs
        return sorted(found)

    def _choice_origins(self, name: str, result: TaskResult) -> tuple[str, ...]:
        """What a cost or licence of the chosen model waits for; on the proposed option the licence is its model's."""
        section, _, rest = name.partition(".")
        option = rest.removesuffix("_usd_per_month")
        if option not in result.models:
            return (name,)
        if section == "licence" and result.facts.get("proposal.deployment") == option:
            return ("proposal.model",)
        models = result.models[option]
        volume = ORIGINS["task.tokens_per_month"] if section == "cost" else ()
        return (*models.missing, *choice_waits(models, result.facts), *volume)

    def _claimed(self, name: str, claim: HardwareClaim | None) -> bool:
        """Whether a fact can be asked for: one about hardware only where that is claimed, and not said already."""
        if name.startswith("hardware.serves."):
            return claim is not None and claim.serves is not None
        if name != "hardware.gpus":
            return True
        if claim is None:
            return False
        # the devices are no single fact that is known or not: what can be lacking is one of their figures, and their
        # speed where something is said to be served
        box = box_of(self.judge.policy.catalog, claim)
        speed = claim.serves is not None and None in (box.bandwidth_bytes_per_s, box.tflops)
        return bool(box.missing) or box.cards is None or speed


def _of_fallback(names: Iterable[str]) -> set[str]:
    """Return the facts behind `names`, where `proposal.*` was taken from the fallback, by their own names."""
    origins = {origin for name in names for origin in ORIGINS.get(name, (name,))}
    own = {f"proposal.{name}": f"proposal.fallback.{name}" for name in PROPOSED}
    return {own.get(name, name) for name in origins if name != "proposal.quantization"}
