"""Decide a workload: judge each task, gather the plan, and give the whole its digest.

The path reads in order: facts, outcomes, combination, explanation, digest. Nothing here reads a clock or is random:
the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from policy_audit.canonical import document_bytes

from policy_engine import SEMANTICS_VERSION, __version__
from policy_engine.catalog import HardwareClaim, OptionModels
from policy_engine.claims import claim_of
from policy_engine.combining import meets, worst
from policy_engine.counterfactuals.found import Search
from policy_engine.disputes import Disputes
from policy_engine.errors import FieldError, Problem, did_you_mean
from policy_engine.explain import Explainer, judged_models
from policy_engine.facts import declared_facts
from policy_engine.judging import Judge
from policy_engine.loading.evidence import evidence_documents
from policy_engine.loading.policy import Policy
from policy_engine.missing import MissingFacts
from policy_engine.model.decision import Decision
from policy_engine.model.personal import redacted_document
from policy_engine.model.proofs import proofs_content
from policy_engine.model.task_case import ATTESTED, EvidenceStatus, TaskCase, TaskResult
from policy_engine.model.waiver import Waiver, waivers_content
from policy_engine.model.workload import Workload
from policy_engine.telemetry import span
from policy_engine.ways_out import collision, releases


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time; raises ValueError where it is none or has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the years 1 to 9999 in UTC") from None


def format_time(moment: datetime) -> str:
    """Write a time in UTC; fractions only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Decider:
    """Decides workloads under one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.judge = Judge(policy)
        self._explainer = Explainer(self.judge)
        self._missing = MissingFacts(self.judge)
        self._disputes = Disputes(self.judge)
        self._changes = Search(self.judge)
        self._custom_defaults = policy.vocabulary.custom_defaults
        self._starts = [(i, rule.enforce_from) for i, rule in enumerate(self.judge.rules) if rule.enforce_from]

    def cases(
        self,
        workload: Workload,
        evidence: Mapping[str, EvidenceStatus],
        at: datetime,
        waivers: Sequence[Waiver] = (),
    ) -> list[TaskCase]:
        """Return one case for each task; of `waivers` those on this workload count.

        Raises:
            FieldError: a benchmark floor names a benchmark that the catalog does not have.
        """
        catalog = self.policy.catalog
        claim = claim_of(workload.spec.hardware)
        own = _own(waivers, workload)
        readings = self._measured(claim, evidence)
        found = []
        for index, task in enumerate(workload.spec.tasks):
            for name in task.min_scores or {}:
                if name not in catalog.benchmarks:
                    message = f"the catalog has no benchmark `{name}`"
                    hint = did_you_mean(name, list(catalog.benchmarks)) or f"it has {', '.join(catalog.benchmarks)}"
                    problem = Problem("unknown-benchmark", message, help=hint)
                    raise FieldError(problem, ("spec", "tasks", index, "min_scores", name))
            facts = declared_facts(workload, task, self._custom_defaults)
            facts.setdefault("task.share", task.share)
            place = workload.namespace
            found.append(TaskCase(facts, task.min_scores, claim, evidence, place, at, own, readings))
        return found

    def _measured(self, claim: HardwareClaim | None, evidence: Mapping[str, EvidenceStatus]) -> tuple[Any, ...]:
        """Return what an attestation says of the claim; nothing is imported where there is none."""
        if claim is None or not any(name in evidence for name in ATTESTED):
            return ()
        from policy_engine.vouching.attested import measured

        return measured(self.policy.catalog, claim, evidence)

    def decide(
        self,
        workload: Workload,
        evidence: Mapping[str, EvidenceStatus],
        at: datetime,
        waivers: Sequence[Waiver] = (),
    ) -> Decision:
        """Decide `workload` at the time `at`, on evidence and waivers as they were checked. Records nothing."""
        with span("evaluate", workload=workload.identity) as current:
            results = tuple(self.judge.judge(case) for case in self.cases(workload, evidence, at, waivers))
            current.set("fired", lambda: sorted({r for result in results for r in self._fired(result)}))
        with span("combine", workload=workload.identity) as current:
            decision = self._assemble(workload, evidence, at, results, _own(waivers, workload))
            current.set("verdict", lambda: decision.verdict)
            return decision

    def _fired(self, result: TaskResult) -> list[str]:
        return [rule.id for rule, outcome in zip(self.judge.rules, result.outcomes, strict=True) if outcome]

    def as_it_is(self, result: TaskResult) -> dict[str, Any]:
        """Return the document of one task without what would be if something else were so, which takes longest."""
        document = self._explainer.task(result)
        missing, decisive = self._missing.of(result)
        document["missing_facts"] = missing
        document["decisive_facts"] = decisive
        document["catalog_gaps"] = self._missing.catalog_gaps(result)
        document["disputes"] = self._disputes.of(result)
        document["collision"] = collision(self.judge, result)
        document["releases"] = releases(self.judge, result)
        return document

    def task_document(self, result: TaskResult) -> dict[str, Any]:
        """Return the whole document of one task."""
        document = self.as_it_is(result)
        changes = self._changes.of(result)
        document["counterfactuals"] = changes.singles
        document["counterfactuals_left_out"] = changes.more
        document["pairs"] = changes.pairs
        for row in document["options"]:
            row["ways"] = changes.ways[row["deployment"]]
        return document

    def _assemble(
        self,
        workload: Workload,
        evidence: Mapping[str, EvidenceStatus],
        at: datetime,
        results: tuple[TaskResult, ...],
        waivers: tuple[Waiver, ...],
    ) -> Decision:
        rules, catalog = self.policy.rules, self.policy.catalog
        workload_content = document_bytes(redacted_document(workload))
        document: dict[str, Any] = {
            "apiVersion": "policy-engine/v1",
            "kind": "Decision",
            "decided_at": format_time(at),
            "valid_until": self.valid_until(results),
            "verdict": worst([result.verdict for result in results]),
            "workload": {
                "namespace": workload.namespace,
                "name": workload.metadata.name,
                "owner": {"present": True},
                "stage": workload.spec.stage,
                "digest": _digest(workload_content),
            },
            "policy": {
                "digest": rules.digest,
                "version": rules.version,
                "layers": [{"name": layer.name, "digest": layer.digest} for layer in rules.layers],
            },
            "catalog": {"digest": catalog.digest, "as_of": catalog.as_of.isoformat(), "stale": self._stale(results)},
            "engine": {"version": __version__, "semantics": SEMANTICS_VERSION},
            "plan": plan(results),
            "evidence": evidence_documents(evidence),
            "tasks": [self.task_document(result) for result in results],
        }
        proofs = proofs_content(evidence)
        if proofs is not None:
            document["evidence_proofs"] = _digest(proofs)
        content = waivers_content(waivers) if waivers else None
        if content is not None:
            document["waivers"] = {"digest": _digest(content), "known": [waiver.document() for waiver in waivers]}
        return Decision(document, workload_content, workload, results, content, proofs)

    def _stale(self, results: tuple[TaskResult, ...]) -> list[str]:
        """The figures behind the named options that are older than a figure may be."""
        return sorted({name for models in _named(results) for name in models.stale})

    def valid_until(self, results: tuple[TaskResult, ...]) -> str | None:
        """Return the earliest end of what the decision used: evidence, waivers, catalog entries, enforcement dates.

        A figure that is stale already bounds nothing more; one that is not bounds it on the day it becomes stale.
        """
        days: set[date] = set()
        limit = int(self.policy.rules.parameters["catalog_stale_days"].value)
        for result in results:
            for obligation in result.obligations:
                status = result.case.evidence.get(obligation.evidence)
                if obligation.status == "satisfied" and status is not None:
                    days.update(_ends(status, obligation.grade))
            days.update(waiver.ends for waiver in result.lifting.pairs.values())
            days.update(waiver.ends for waiver in result.fallback_lifting.pairs.values())
            for index, start in self._starts:
                if result.outcomes[index] is not False and start > result.case.day:
                    days.add(start - timedelta(days=1))
            model = self.policy.catalog.model(result.facts.get("proposal.model"))
            if model is not None and model.retires_on is not None and model.retires_on > result.case.day:
                days.add(model.retires_on - timedelta(days=1))
        for models in _named(results):
            if models.valid_until is not None:
                days.add(models.valid_until)
            for figure in models.figures:
                if figure.key not in models.stale:
                    days.add(figure.as_of + timedelta(days=limit))
        return f"{min(days).isoformat()}T23:59:59Z" if days else None


def _ends(status: EvidenceStatus, grade: str) -> set[date]:
    """Return when evidence that meets a demand for `grade` does so no more: on its own day, or on its proof's."""
    needed = status.otherwise is not None and not meets(grade, status.otherwise)
    return {day for day in (status.valid_until, status.ends if needed else None) if day is not None}


def _own(waivers: Sequence[Waiver], workload: Workload) -> tuple[Waiver, ...]:
    """Return the waivers on this workload, in an order that does not hang on where they came from."""
    identity = (workload.namespace, workload.metadata.name)
    found = {w.id: w for w in waivers if (w.statement.scope.namespace, w.statement.scope.name) == identity}
    return tuple(found[name] for name in sorted(found))


def plan(results: tuple[TaskResult, ...]) -> dict[str, Any]:
    """Return the plan over all tasks: hybrid where they land on different options; cost None where one is unknown."""
    routes: list[dict[str, Any]] = []
    total = 0.0
    known = True
    for result in results:
        option = result.judged
        models = judged_models(result, option) if option is not None else None
        cost = models.monthly_usd if models is not None else None
        known = known and cost is not None
        total += cost or 0.0
        routes.append(
            {
                "task": result.facts["task.name"],
                "share": result.facts["task.share"],
                "deployment": option,
                "model": _judged_model(result),
                "monthly_usd": cost,
                "at_least": models is not None and models.at_least,
            }
        )
    options = {route["deployment"] for route in routes} - {None}
    budget = results[0].facts.get("budget.monthly_usd")
    return {
        "kind": "hybrid" if len(options) > 1 else "single",
        "monthly_usd": total if known else None,
        "at_least": any(route["at_least"] for route in routes),
        "over_budget": total > budget if known and budget is not None else None,
        "routes": routes,
    }


def _judged_model(result: TaskResult) -> str | None:
    """The model that is proposed, and nothing where the proposal names none; without a proposal the chosen one."""
    if result.proposal is not None:
        return result.facts.get("proposal.model")
    chosen = result.models[result.judged].chosen if result.judged is not None else None
    return chosen.name if chosen is not None else None


def _named(results: tuple[TaskResult, ...]) -> list[OptionModels]:
    """The options that a decision names: those judged, with the proposed model, and those recommended."""
    found = []
    for result in results:
        if result.judged is not None:
            found.append(judged_models(result, result.judged))
        if result.ranking.recommended is not None:
            found.append(result.models[result.ranking.recommended])
    return found


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
