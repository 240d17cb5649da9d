"""Which reports of models compared are evidence, of which workload; every way in which one is not is named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed
from policy_audit.ledger import Draft, EntryType, Ledger

from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Workload
from policy_engine.vouching.evaluation import Golden, rounded, unseen
from tests.evaluating import CURRENT, GOLDEN, OPEN, body, evaluation, task
from tests.unit.vouching.case import AT, WORKLOAD, checked, pinned, policy, record

NAMES = ("golden_dataset", "parallel_test")
RECEIPT = {"receipt": "r.tlog-proof", "entry": "r.json"}


def subject(evidence: Any = RECEIPT, *, current: str | None = CURRENT, kind: str = "classification", tasks: Any = None,
            **proposal: Any) -> Workload:  # fmt: skip
    known = {"deployment": "open_api", "model": OPEN} | proposal
    one = {"name": "work", "kind": kind, "proposal": known}
    namespace, _, name = WORKLOAD.partition("/")
    document = {
        "apiVersion": "policy-engine/v1",
        "kind": "Workload",
        "metadata": {"namespace": namespace, "name": name, "owner": "olga@acme.example"},
        "spec": {
            "stage": "production",
            "tasks": tasks or [one],
            "migration": {"from": {"model": current}},
            "evidence": dict.fromkeys(NAMES, evidence),
        },
    }
    return Workload.model_validate(document)


def found(ledger: Ledger, folder: Path, entry: dict[str, Any], of: Workload | None = None,
          name: str = "golden_dataset", at: datetime = AT) -> EvidenceStatus:  # fmt: skip
    record(ledger, folder, EntryType.EVALUATION_REPORT, **entry)
    return checked(folder, of or subject(), policy(origins=[pinned(ledger)]), name, at)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verdict", ["better", "equivalent"])
def test_a_report_is_evidence_of_both_names(name: str, verdict: Any, folder: Path, ledger: Ledger) -> None:
    status = found(ledger, folder, body(evaluation(task(verdict)), WORKLOAD), name=name)
    assert (status.grade, status.problem, status.short) == ("recorded", None, None)


def test_names_of_models_are_the_catalogs(folder: Path, ledger: Ledger) -> None:
    """The workload writes an alias of the catalog, and the report its name."""
    models = policy().catalog.models.values()
    model, alias = next((each.key, alias) for each in models for alias in each.aliases if alias != each.key)
    entry = body(evaluation(task(model=model)), WORKLOAD)
    assert found(ledger, folder, entry, subject(model=alias)).grade == "recorded"
    assert found(ledger, folder, entry, subject(model=f"{alias}-x")).problem is not None


AGAINST: dict[str, tuple[Any, Workload, str]] = {
    "worse": (evaluation(task("worse")), subject(), "found `qwen3-14b` worse than `gpt-4o` on the task `work`"),
    "inconclusive": (evaluation(task("inconclusive")), subject(), "did not find whether `qwen3-14b` is worse"),
    "another model": (evaluation(), subject(model="llama-3.1-8b"), "it does not compare `llama-3.1-8b`"),
    "no model": (evaluation(), subject(model=None), "the task `work` names no model"),
    "another one replaced": (evaluation(), subject(current="gpt-4"), "the workload replaces `gpt-4`"),
    "no model replaced": (evaluation(), subject(current=None), "the migration names no model that it replaces"),
    "another kind": (evaluation(), subject(kind="extraction"), "the task `work` as classification"),
    "a metric that is easy": (
        evaluation(task(metric="macro_recall")),
        subject(),
        "by macro_recall, which does not count for classification",
    ),
    "another task": (evaluation(task(name="other")), subject(), "its report has no task `work`"),
    "a task left out": (
        evaluation(),
        subject(
            tasks=[
                {"name": n, "kind": "classification", "share": 0.5, "proposal": {"deployment": "edge", "model": OPEN}}
                for n in ("work", "more")
            ]
        ),
        "its report has no task `more`",
    ),
    "nothing proposed": (
        evaluation(),
        subject(tasks=[{"name": "work", "kind": "other"}]),
        "proposes an open model that",
    ),
    "a closed model": (evaluation(), subject(deployment="proprietary_api"), "proposes an open model that"),
    "a wide margin": (evaluation(margin=0.021), subject(), "wider than param.parity_margin (0.02)"),
}


@pytest.mark.parametrize("case", AGAINST)
@pytest.mark.parametrize("beside", [{}, {"reference": "EVAL-7"}], ids=["alone", "beside a reference"])
def test_a_report_that_shows_something_else_satisfies_nothing(
    case: str, beside: dict[str, str], folder: Path, ledger: Ledger
) -> None:
    report, of, why = AGAINST[case]
    spec = of.spec.model_copy(update={"evidence": subject({**RECEIPT, **beside}).spec.evidence})
    status = found(ledger, folder, body(report, WORKLOAD), of.model_copy(update={"spec": spec}))
    assert (status.grade, why in str(status.problem)) == ("asserted", True), status.problem


def test_a_lower_confidence_than_the_policys_shows_nothing(folder: Path, ledger: Ledger) -> None:
    loose = evaluation(task(resolution=rounded(unseen(500, 0.1))), confidence=0.9)
    assert "lower than param.parity_confidence" in str(found(ledger, folder, body(loose, WORKLOAD)).problem)


def _of(**more: Any) -> dict[str, Any]:
    return body(evaluation(), WORKLOAD) | more


NONE: dict[str, tuple[dict[str, Any], str]] = {
    "another workload": (_of(workload="claims/other"), "about another workload"),
    "other evidence": (_of(evidence=["dpa"]), "about other evidence"),
    "one evidence": (_of(evidence=["golden_dataset"]), "none that `policy parity` writes"),
    "evidence as text": (_of(evidence="golden_dataset"), "none that `policy parity` writes"),
    "another digest": (_of(sha256="0" * 64), "another report than it holds"),
    "more": (_of(grade="recorded"), "none that `policy parity` writes"),
    "no report": (_of(report=None), "holds no report"),
    "a day that is none": (_of(valid_until="soon"), "holds no report"),
    "ended": (body(evaluation(), WORKLOAD, "2026-11-23"), "the report ended on 2026-11-23"),
}


@pytest.mark.parametrize("case", NONE)
def test_an_entry_that_is_no_report_of_this_proves_nothing(case: str, folder: Path, ledger: Ledger) -> None:
    entry, why = NONE[case]
    status = found(ledger, folder, entry)
    assert (status.grade, status.proof, why in str(status.problem)) == ("asserted", None, True), status.problem
    beside = checked(
        folder, subject({**RECEIPT, "reference": "EVAL-7"}), policy(origins=[pinned(ledger)]), "golden_dataset"
    )
    assert (beside.grade, beside.problem, why in str(beside.short)) == ("asserted", None, True)


def test_the_file_that_the_workload_names_is_the_golden_dataset(folder: Path, ledger: Ledger) -> None:
    record(ledger, folder, EntryType.EVALUATION_REPORT, **_of())
    under = policy(origins=[pinned(ledger)])
    for digest, grade in ((GOLDEN, "recorded"), (_of()["sha256"], "recorded"), ("b" * 64, "asserted")):
        assert checked(folder, subject({**RECEIPT, "sha256": digest}), under, "golden_dataset").grade == grade


def test_the_last_day_of_a_report_bounds_the_decision(folder: Path, ledger: Ledger) -> None:
    status = found(ledger, folder, body(evaluation(), WORKLOAD, "2026-12-24"))
    assert (status.grade, str(status.ends)) == ("recorded", "2026-12-24")
    before = datetime(2026, 11, 19, tzinfo=UTC)
    assert "after the decision's day" in str(found(ledger, folder, _of(), at=before).problem)


def test_a_file_that_somebody_recorded_still_counts(folder: Path, ledger: Ledger) -> None:
    from tests.unit.vouching.case import FILE

    record(ledger, folder, evidence="golden_dataset")
    status = checked(folder, subject({**FILE, **RECEIPT}), policy(origins=[pinned(ledger)]), "golden_dataset")
    assert (status.grade, status.problem) == ("recorded", None)


def test_a_report_stays_revoked_where_it_is_recorded_again(folder: Path, ledger: Ledger) -> None:
    entry = _of()
    under = policy(origins=[pinned(ledger)])
    revoked = changed(under, approvers=changed(under.approvers, revoked_entries=frozenset({entry["sha256"]})))
    record(ledger, folder, EntryType.EVALUATION_REPORT, **entry)
    ledger.append(Draft(EntryType.HEARTBEAT))
    status = checked(folder, subject(), revoked, "golden_dataset")
    assert status.problem == "the policy says that its entry is evidence no more"


OTHER_WORK: dict[str, tuple[dict[str, Any], tuple[str, ...] | None]] = {
    "the same work": ({}, (OPEN,)),
    "another kind": ({"kind": "sentiment"}, None),
    "a metric that is easy": ({"metric": "macro_recall"}, None),
    "a metric of other work": ({"metric": "rouge_l"}, None),
    "a task that is none of the workload": ({"name": "moderate"}, None),
}


@pytest.mark.parametrize("case", OTHER_WORK)
def test_of_other_work_a_report_shows_no_model(case: str, folder: Path, ledger: Ledger) -> None:
    """The second task proposes a closed model: nothing holds the report to it, until a fallback stands in there."""
    change, shows = OTHER_WORK[case]
    of = subject(
        tasks=[
            {"name": name, "kind": "classification", "share": 0.5, "proposal": {"deployment": option, "model": model}}
            for name, option, model in (("work", "open_api", OPEN), ("more", "proprietary_api", CURRENT))
        ]
    )
    report = evaluation(task(), task(**({"name": "more"} | change)), golden=Golden(GOLDEN, GOLDEN, 1000))
    status = found(ledger, folder, body(report, WORKLOAD), of)
    assert (status.grade, status.problem) == ("recorded", None)
    assert status.shows == {"work": (OPEN,)} | ({"more": shows} if shows is not None else {})
