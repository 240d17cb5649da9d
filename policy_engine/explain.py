"""A task's result as the document that is recorded, printed and read by other tools.

The keys are public (contract: the command `policy`, "JSON of a decision"); more may be added. Nothing in it depends
on a clock, on chance or on the order of a set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy_engine.catalog import Catalog, OptionModels
from policy_engine.judging import Judge
from policy_engine.model.rule import Rule
from policy_engine.model.task_case import Obligation, Standing, TaskResult
from policy_engine.model.vocabulary import OPTIONS, THIRD_PARTY
from policy_engine.model.workload import ANYWHERE
from policy_engine.wording import Template, runs_in

_OUTCOMES = {True: "fired", False: "not_fired", None: "indeterminate"}


class Explainer:
    """Writes task documents under one policy."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.rules = judge.rules
        self._static = [_static(rule) for rule in self.rules]
        self._reads = [sorted(rule.reads) for rule in self.rules]
        values = judge.parameters
        self._messages = [Template(rule.message, values) for rule in self.rules]
        self._texts = [Template(rule.advise, values) if rule.advise is not None else None for rule in self.rules]
        self._named = [_named_options(rule) for rule in self.rules]
        self._enforcing = [bool(rule.forbid or rule.require) for rule in self.rules]

    def task(self, result: TaskResult) -> dict[str, Any]:
        """Return the document of one task, without what-if findings."""
        ranking = result.ranking
        named = ranking.recommended or ranking.provisional
        return {
            "name": result.facts["task.name"],
            "verdict": result.verdict,
            "judged": "proposal" if result.proposal is not None else "recommendation",
            "judged_option": result.judged,
            "recommendation": self._recommendation(result, named),
            "cheapest": ranking.cheapest,
            "proposal": self._proposal(result),
            "options": [self._option(result, option) for option in OPTIONS],
            "rules": self._rules(result),
            "obligations": [self._obligation(each) for each in result.obligations],
            "advice": self._advice(result),
            "hardware": list(result.hardware_why),
            "hardware_claims": [finding.document() for finding in result.hardware_claims],
            **_waivers(result),
        }

    def _recommendation(self, result: TaskResult, option: str | None) -> dict[str, Any] | None:
        if option is None:
            return None
        chosen = result.models[option].chosen or result.models[option].provisional
        return {
            "deployment": option,
            "model": chosen.name if chosen is not None else None,
            "provider": chosen.provider if chosen is not None else None,
            "quantization": chosen.quantization if chosen is not None else None,
            "monthly_usd": chosen.monthly_usd if chosen is not None else None,
            "cost": _cost(result.models[option]),
            "firm": result.ranking.firm,
            "provisional": result.ranking.recommended is None,
            "open_facts": sorted(result.ranking.open_facts),
        }

    def _proposal(self, result: TaskResult) -> dict[str, Any] | None:
        ruling = result.proposal
        if ruling is None:
            return None
        facts = result.facts
        document: dict[str, Any] = {
            name: facts.get(f"proposal.{name}")
            for name in ("deployment", "model", "provider", "region", "quantization")
        }
        models = judged_models(result, document["deployment"])
        cost = models.monthly_usd
        budget = facts.get("budget.monthly_usd")
        document |= {
            "monthly_usd": cost,
            "at_least": models.at_least,
            "over_budget": None if budget is None or cost is None else cost > budget,
            "holds": ruling.holds,
            "reasons": list(ruling.reasons),
            "rules": list(ruling.rules),
            "missing": sorted(ruling.missing),
            "fallback": None,
        }
        fallback = result.fallback
        if fallback is not None:
            document["fallback"] = {
                "deployment": facts.get("proposal.fallback.deployment"),
                "model": facts.get("proposal.fallback.model"),
                "provider": facts.get("proposal.fallback.provider"),
                "region": facts.get("proposal.fallback.region"),
                "verdict": result.fallback_verdict,
                "reasons": list(fallback.reasons),
                "rules": list(fallback.rules),
                "missing": sorted(fallback.missing),
            }
        return document

    def _option(self, result: TaskResult, option: str) -> dict[str, Any]:
        standing: Standing = result.standings[option]
        models = result.models[option]
        budget = result.facts.get("budget.monthly_usd")
        cost = standing.monthly_usd
        return {
            "deployment": option,
            "status": standing.status,
            "score": standing.score,
            "score_range": [standing.low, standing.high],
            "scores": [{"topic": c.topic, "rule": c.rule, "points": c.points} for c in standing.contributions],
            "monthly_usd": cost,
            "at_least": models.at_least,
            "over_budget": None if budget is None or cost is None else cost > budget,
            "rules": list(standing.rules),
            "reasons": list(catalog_reasons(standing, models)),
            "missing": sorted(standing.missing),
            "model": models.model,
            "models": models.rows(),
            **({"waived": waived} if (waived := self._waived(result, option)) else {}),
        }

    def _waived(self, result: TaskResult, option: str) -> list[dict[str, str]]:
        """Return the forbids on `option` that waivers lift, each with its waiver."""
        return [
            {"rule": self.rules[index].id, "waiver": waiver.id}
            for (index, lifted), waiver in sorted(result.lifting.pairs.items(), key=lambda item: item[0])
            if lifted == option and option in self.rules[index].forbid
        ]

    def _rules(self, result: TaskResult) -> list[dict[str, Any]]:
        """Return what every rule read and came to."""
        graded, rows = _graded(result), []
        for index, outcome in enumerate(result.outcomes):
            row = self._static[index].copy()  # with every key in place: cheaper than to build it
            row["criteria"], row["forbid"] = list(row["criteria"]), list(row["forbid"])
            row["outcome"] = _OUTCOMES[outcome]
            if self._enforcing[index]:
                row["enforcement"] = result.enforcement[index]
            row["facts"] = {name: graded[name] for name in self._reads[index] if name in graded}
            row["missing"] = sorted(result.missing_of[index]) if outcome is None else []
            if outcome is not False:
                row["message"] = self._text(index, result, self._messages[index])
            rows.append(row)
        return rows

    def _text(self, index: int, result: TaskResult, template: Template) -> str:
        """Return a rule's text with this task's values in it."""
        rule = self.rules[index]
        text = template.fill(result.facts, self._affected(index, result.judged))
        if rule.enforce_from is not None and result.case.day < rule.enforce_from:
            stop = "" if text.endswith((".", "!", "?")) else "."
            text += f"{stop} Denies from {rule.enforce_from.isoformat()}."
        return text

    def _affected(self, index: int, judged: str | None) -> Sequence[str]:
        """The options that a message speaks of: those it names, the judged one alone where an obligation is on it."""
        rule, named = self.rules[index], self._named[index]
        return (judged,) if judged in named and rule.require and not rule.forbid else named

    def _obligation(self, obligation: Obligation) -> dict[str, Any]:
        return {
            "evidence": obligation.evidence,
            "status": obligation.status,
            "enforcement": obligation.enforcement,
            "grade": obligation.grade,
            "rules": list(obligation.rules),
            "why": obligation.why,
            **({"lifted": list(obligation.lifted), "waived": obligation.waived} if obligation.lifted else {}),
        }

    def _advice(self, result: TaskResult) -> list[dict[str, Any]]:
        advice: list[dict[str, Any]] = []
        for index, template in enumerate(self._texts):
            if template is not None and result.outcomes[index]:
                rule, text = self.rules[index], self._text(index, result, template)
                advice.append({"rule": rule.id, "criteria": list(rule.criteria), "message": text})
        catalog, recommended = self.judge.policy.catalog, result.ranking.recommended
        texts = []
        if result.proposal is not None:
            texts += [*region_advice(result, catalog), *price_advice(result, catalog)]
        if recommended is not None and (result.proposal is None or recommended != result.judged):
            texts += result.models[recommended].advice
        advice += [{"rule": None, "criteria": [], "message": text} for text in dict.fromkeys(texts)]
        model = self.judge.policy.catalog.model(result.facts.get("proposal.model"))
        if model is not None and model.retires_on is not None and model.retires_on > result.case.day:
            text = f"{model.key} is retired on {model.retires_on}: plan what replaces it"
            advice.append({"rule": None, "criteria": [], "message": text})
        return advice


def _waivers(result: TaskResult) -> dict[str, Any]:
    """Return the waivers that were looked at: what each lifts, or why it lifts nothing; no key where there is none."""
    rows = [
        {**each.document(), "on": "judged" if each.waiver.statement.scope.option == result.judged else "option"}
        for each in result.lifting.lifts
    ]
    option = result.facts.get("proposal.fallback.deployment")
    rows += [
        {**each.document(), "on": "fallback"}
        for each in result.fallback_lifting.lifts
        if each.waiver.statement.scope.option == option
    ]
    return {"waivers": rows} if rows else {}


def catalog_reasons(standing: Standing, models: OptionModels) -> tuple[str, ...]:
    """Why the catalog leaves the option out or in doubt; nothing where a rule forbids it, or all is well."""
    speaks = standing.status == "unavailable" or (standing.status == "uncertain" and models.available is None)
    return models.why if speaks else ()


def judged_models(result: TaskResult, option: str) -> OptionModels:
    """What the catalog has for the judged option: of the proposed model and provider, where something is proposed."""
    models: OptionModels = result.models[option]
    if result.proposal is None:
        return models
    return models.naming(result.facts.get("proposal.model"), result.facts.get("proposal.provider"))


def price_advice(result: TaskResult, catalog: Catalog) -> Iterator[str]:
    """Say why nothing is known of what the proposed model costs at the provider that is named."""
    option = result.facts["proposal.deployment"]
    name, provider = (result.facts.get(f"proposal.{each}") for each in ("model", "provider"))
    if option not in THIRD_PARTY or name is None or provider is None:
        return
    if result.models[option].offers(name, provider) is False:
        known = provider in catalog.providers
        why = f"has no offer of {name} by `{provider}`" if known else f"does not know the provider `{provider}`"
        yield f"the catalog {why}: what {name} costs there as {option} is not known"


def region_advice(result: TaskResult, catalog: Catalog) -> Iterator[str]:
    """Say where the proposed provider and that of the fallback run, as far as their region hangs on it.

    Where nobody knows of the proposed one in which regions it processes, that is said (it disqualifies nothing).
    """
    residency, name = result.facts.get("data.residency"), result.facts.get("proposal.provider")
    if residency is None or ANYWHERE in residency:
        return
    yield from (
        said for prefix in ("proposal", "proposal.fallback") if (said := elsewhere(result, catalog, prefix, residency))
    )
    if result.facts["proposal.deployment"] not in THIRD_PARTY:
        return
    provider = catalog.providers.get(name) if name is not None else None
    if provider is None or provider.regions is None:
        who = f"`{name}`" if name is not None else "the provider"
        where = ", ".join(residency)
        yield f"the catalog does not know the regions of {who}: make sure that it processes inside {where}"


def elsewhere(result: TaskResult, catalog: Catalog, prefix: str, residency: list[str]) -> str | None:
    """Say of a provider that it runs neither where it is proposed nor in the residency; None where that is not so."""
    name, region = (result.facts.get(f"{prefix}.{each}") for each in ("provider", "region"))
    runs = catalog.places(result.facts.get(f"{prefix}.deployment"), name).known
    if runs is None:
        return None
    wanted = [residency, *([[region]] if region is not None else [])]
    apart = next((each for each in wanted if catalog.regions.apart(runs, each)), None)
    if apart is None:
        return None
    return f"{runs_in(name)} {', '.join(runs)}, and not in {', '.join(apart)}: name one that runs there"


def _cost(models: OptionModels) -> dict[str, Any] | None:
    """The cost by its parts: what each is for, and the figure with source and day that it rests on."""
    cost = models.cost
    if cost is None:
        return None
    return {
        "at_least": cost.at_least,
        "usd_low": cost.usd_low,
        "usd_high": cost.usd_high,
        "parts": [
            {
                "what": part.what,
                "usd_per_month": part.usd_per_month,
                "source": part.figure.source if part.figure is not None else None,
                "as_of": part.figure.as_of.isoformat() if part.figure is not None else None,
                "stale": part.stale,
            }
            for part in cost.parts
        ],
    }


def _graded(result: TaskResult) -> dict[str, dict[str, Any]]:
    """Return every known fact with its grade, once for all the rules that read it."""
    found: dict[str, dict[str, Any]] = {}
    grades = result.grades
    for name, value in result.facts.items():
        if value is None:
            continue
        grade, weakest = grades.get(name) or ("declared", None)
        found[name] = {"value": value, "grade": grade}
        if weakest is not None:
            found[name]["weakest"] = weakest
    return found


def _static(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "title": rule.title,
        "topic": rule.topic,
        "criteria": list(rule.criteria),
        "origin": rule.origin,
        "layer": rule.layer,
        "forbid": list(rule.forbid),
        "outcome": "",
        "enforcement": None,
        "facts": {},
        "missing": [],
        "message": "",
    }


def _named_options(rule: Rule) -> tuple[str, ...]:
    named = {*rule.forbid, *rule.prefer, *rule.disfavour}.union(*rule.require.values())
    return tuple(option for option in OPTIONS if option in named)


def used_rules(rules: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rule rows that fired or are indeterminate."""
    return [row for row in rules if row["outcome"] != "not_fired"]
