"""Complete a task's declared facts: volume, catalog, cost and hardware, in the order that they build on one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from msgspec import Struct

from policy_engine.catalog import (
    Catalog,
    ClaimFinding,
    HardwareClaim,
    Needs,
    OptionModels,
    api_price,
    choose,
    judge_hardware,
    judge_serving,
    summed,
)
from policy_engine.catalog.findings import decided_by_serving, grade_beneath, proposal_finding
from policy_engine.claims import gpu_count, memory_gib, memory_grade
from policy_engine.combining import OptionInput
from policy_engine.facts import FactSheet, derive_volume, region_allowed
from policy_engine.language.tree import Scalar
from policy_engine.model.task_case import TaskCase
from policy_engine.model.vocabulary import OPEN_OPTIONS, OPTIONS
from policy_engine.probe.overlay import held_to, overlay
from policy_engine.probe.verdict import overall

_VOLUME = ("volume.input_tokens_per_month", "volume.output_tokens_per_month")
_COST_FACTS = {option: f"cost.{option}_usd_per_month" for option in OPTIONS}
_LICENCE_FACTS = {option: f"licence.{option}" for option in OPEN_OPTIONS}
_CLAIMED = ("declared",)
_OWN_HARDWARE = ("self_hosted", "edge")


class Completed(Struct, frozen=True):
    """The facts in full, and what the catalog says of each option."""

    sheet: FactSheet
    models: Mapping[str, OptionModels]
    inputs: Mapping[str, OptionInput]
    hardware_claims: tuple[ClaimFinding, ...]
    hardware_why: tuple[str, ...]
    spend_disputes: tuple[str, ...]


def complete(case: TaskCase, catalog: Catalog, parameters: Mapping[str, Scalar]) -> Completed:
    """Return the facts that rules read: those declared and those computed from them."""
    sheet = FactSheet(case.facts)
    derive_volume(sheet)
    held = held_to(catalog, case.hardware, case.measured) if case.measured else case.hardware
    needs = needs_of(case, sheet.values, parameters, held)
    models = {option: choose(catalog, option, needs, case.day) for option in OPTIONS}
    _costs(sheet, models)
    spend_disputes = add_api_spend(sheet, catalog, parameters, case.day)
    findings, why = add_hardware(case, sheet, catalog, held)
    _proposal(sheet, catalog)
    _licences(sheet, catalog, models)
    inputs = {option: option_input(models[option], sheet.values) for option in OPTIONS}
    return Completed(sheet, models, inputs, findings, why, spend_disputes)


def needs_of(
    case: TaskCase, facts: Mapping[str, Any], parameters: Mapping[str, Scalar], hardware: HardwareClaim | None
) -> Needs:
    """Gather what the task asks of a model; None stays unknown. `hardware` is what there is of what is claimed."""
    get = facts.get
    modalities, residency, share = get("task.modalities"), get("data.residency"), get("task.share")
    sent, answered = (get(name) for name in _VOLUME)
    return Needs(
        kind=facts["task.kind"],
        complexity=get("task.complexity"),
        quality=get("task.quality"),
        modalities=tuple(modalities) if modalities is not None else None,
        context_tokens=get("task.context_tokens"),
        min_scores=case.min_scores,
        commercial_use=commercial_use(get("workload.stage"), get("workload.organisation")),
        residency=tuple(residency) if residency is not None else None,
        edge_wanted=edge_wanted(get("needs.edge"), get("task.latency_p95_ms"), parameters["edge_latency_ms"]),
        input_tokens_per_month=None if sent is None or share is None else sent * share,
        output_tokens_per_month=None if answered is None or share is None else answered * share,
        hardware=hardware,
        routed=facts["workload.task_count"] > 1,
    )


def commercial_use(stage: str | None, organisation: str | None) -> bool | None:
    """Pilot and production are commercial use unless the organisation is research."""
    if stage == "prototype" or organisation == "research":
        return False
    return None if stage is None or organisation is None else True


def edge_wanted(needed: bool | None, latency_ms: int | None, limit_ms: Any) -> bool | None:
    fast = None if latency_ms is None else latency_ms < limit_ms
    if needed or fast:
        return True
    return None if needed is None or fast is None else False


def _costs(sheet: FactSheet, models: Mapping[str, OptionModels]) -> None:
    for option, found in models.items():
        if found.available and not choice_waits(found, sheet.values):
            sheet.derive(_COST_FACTS[option], found.monthly_usd, *_VOLUME, "task.share")


def add_api_spend(sheet: FactSheet, catalog: Catalog, parameters: Mapping[str, Scalar], day: date) -> tuple[str, ...]:
    """State what `api_spend` says; return the disputes about the price that it is computed with."""
    usd, disputes = api_spend(sheet.get, catalog, parameters, day)
    if sheet.get("budget.api_spend_usd_per_month") is not None:
        sheet.values["cost.api_spend_usd_per_month"] = usd
    else:
        sheet.derive("cost.api_spend_usd_per_month", usd, *_VOLUME)
    return disputes


def api_spend(
    get: Callable[[str], Any], catalog: Catalog, parameters: Mapping[str, Scalar], day: date
) -> tuple[float | None, tuple[str, ...]]:
    """Return the declared bill, else the volume at the price of the model in use, else of the reference model.

    And the disputes about that price. `get` returns a fact; None is unknown.
    """
    declared = get("budget.api_spend_usd_per_month")
    if declared is not None:
        return declared, ()
    sent, answered = (get(name) for name in _VOLUME)
    if sent is None or answered is None:
        return None, ()
    for model in (get("migration.from.model"), str(parameters["reference_model"])):
        price = api_price(catalog, model, day) if model is not None else None
        if price is not None:
            return price.usd(sent, answered), price.disputes
    return None, ()


def add_hardware(
    case: TaskCase, sheet: FactSheet, catalog: Catalog, held: HardwareClaim | None = None
) -> tuple[tuple[ClaimFinding, ...], tuple[str, ...]]:
    """Judge the hardware claims by arithmetic: each by itself, and all of them for the proposed model.

    `held` is the claim with the memory that was measured, where that is less: what runs there is judged by it.
    Returns the findings, and a line for each of the two facts that follow from them.
    """
    claim = case.hardware
    if claim is None:
        _measured(case, sheet)
        return (), ()
    sheet.derive("hardware.gpu_count", gpu_count(claim), beneath=_CLAIMED)
    grade = memory_grade(claim)
    sheet.derive(
        "hardware.memory_gib",
        memory_gib(catalog, held or claim),
        grade=grade,
        beneath=() if grade != "derived" else _CLAIMED,
    )
    get = sheet.get
    measured = _measured(case, sheet)
    held = held or claim
    findings = judge_hardware(catalog, claim)
    if case.measured:
        devices = [each for each in findings if each.row is not None]
        at_large = [each for each in judge_hardware(catalog, held) if each.row is None]
        findings = overlay((*devices, *at_large), case.measured)
    own = summed(findings)
    sheet.derive("hardware.verdict", own.verdict, beneath=(grade_beneath(findings),))
    # two lines that say opposite things have to say of what
    served = decided_by_serving(findings)
    about = "what it is said to serve" if served else "what is claimed of it"
    why = {own.why: about}
    model = get("proposal.model")
    if get("proposal.deployment") in _OWN_HARDWARE and model is not None:
        quantization = get("proposal.quantization")
        judged = own
        if measured != "contradicted":  # nothing runs on what is not there
            judged = judge_serving(catalog, held, model, quantization, get("task.context_tokens"))
        sheet.derive("proposal.hardware_verdict", judged.verdict, "proposal.model", beneath=(grade_beneath(findings),))
        both = f"{about}, and the proposed model" if served else about
        why[judged.why] = both if judged.why == own.why else "the proposed model"
        findings = (*findings, proposal_finding(model, judged))
    return findings, tuple(f"{what}: {text}" for text, what in why.items() if text)


def _measured(case: TaskCase, sheet: FactSheet) -> str:
    """Say what an attestation says of the claim as a whole; what it verifies is of the grade measured."""
    if not case.measured:
        sheet.derive("hardware.measured", "none")
        return "none"
    word = overall(case.measured)
    sheet.derive("hardware.measured", word, grade="measured")
    if word == "verified":
        for name in ("hardware.gpu_count", "hardware.memory_gib"):
            sheet.derive(name, sheet.get(name), grade="measured")
    return word


def _proposal(sheet: FactSheet, catalog: Catalog) -> None:
    if not sheet.get("proposal.present"):
        return
    places = catalog.places(sheet.get("proposal.deployment"), sheet.get("proposal.provider"))
    allowed = region_allowed(sheet.get("data.residency"), sheet.get("proposal.region"), catalog.regions, places)
    read, beneath = ["data.residency", "proposal.region"], []
    if places.known is not None:
        read.append("proposal.provider")
        beneath.append("catalog")
    sheet.derive("proposal.region_allowed", allowed, *read, beneath=beneath)
    sheet.derive("proposal.licence", catalog.licence(sheet.get("proposal.model")), grade="catalog")


def _licences(sheet: FactSheet, catalog: Catalog, models: Mapping[str, OptionModels]) -> None:
    """The licence of the model judged on each open option: the proposed one there, else the chosen one."""
    proposed = sheet.get("proposal.deployment")
    for option in OPEN_OPTIONS:
        if option == proposed:
            model = sheet.get("proposal.model")
        else:
            found = models[option]
            model = found.model if found.available and not choice_waits(found, sheet.values) else None
        licence = catalog.licence(model)
        if licence != "proprietary":
            sheet.derive(_LICENCE_FACTS[option], licence, grade="catalog")


def choice_waits(models: OptionModels, facts: Mapping[str, Any]) -> list[str]:
    """The unknown facts that could let another model be chosen where one surely meets the needs already.

    INVARIANT: a cost or licence of the chosen model is known only where none is left, or it would change with what
    else is known.
    """
    found = [] if "task.quality" in facts else ["task.quality"]
    if models.option in _OWN_HARDWARE and "workload.organisation" not in facts:
        found.append("workload.organisation")  # a licence that forbids commercial use
    if models.asked.needs.routed and "task.complexity" not in facts:
        found.append("task.complexity")  # which models the router names
    if models.volume_decides:
        found += [name for name in (*_VOLUME, "task.share") if name not in facts]
    return found


def option_input(models: OptionModels, facts: Mapping[str, Any]) -> OptionInput:
    """Return what the catalog says of one option, on these facts."""
    # edge names both facts that would make it meant, whichever of them is known already
    missing = tuple(name for name in models.missing if facts.get(name) is None)
    # of an option that is not known to be available, the cost is that of the model to expect
    cost = models.monthly_usd if models.available is not False else None
    waits = set(missing) if models.available is None else set(choice_waits(models, facts))
    if cost is None:
        waits.update(name for name in (*_VOLUME, "task.share") if facts.get(name) is None)
    return OptionInput(models.available, missing, cost, frozenset(waits))
