"""Two laws of completing a workload: what is asked is enough, and what is not asked never mattered."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from policy_engine.completion import Completion, State, _Search
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.yaml_edit import with_value
from policy_engine.loading.yaml_source import read_yaml
from policy_engine.model.workload import Workload

EXAMPLES = Path(__file__).parents[2] / "examples"
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
_KEPT = ("name", "kind", "share", "proposal", "min_scores")
LAWS = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def completion() -> Completion:
    return Completion(Decider(load_policy()), AT)


def state(document: dict[str, Any], skipped: set[Any] | None = None) -> State:
    evidence = check_evidence(Workload.model_validate(document), AT.date(), EXAMPLES)
    return completion().state(document, evidence, skipped or set())


def verdicts(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the verdicts of `state`, without the search for what to ask next."""
    evidence = check_evidence(Workload.model_validate(document), AT.date(), EXAMPLES)
    return _Search(completion(), document, evidence).verdicts


@st.composite
def partly_unknown(draw: st.DrawFn) -> dict[str, Any]:
    """An example of which a part is not known, with or without its proposals."""
    file = draw(st.sampled_from(sorted(EXAMPLES.glob("*.yaml"))))
    document: dict[str, Any] = read_yaml(file)[0].value
    spec = document["spec"]
    places: list[tuple[str | int, ...]] = [("spec", key) for key in ("organisation", "deploy_within_days", "migration")]
    for section in ("data", "volume", "budget", "team", "needs"):
        places += [("spec", section, key) for key in spec.get(section) or {}]
    for index, task in enumerate(spec["tasks"]):
        places += [("spec", "tasks", index, key) for key in task if key not in _KEPT]
        places += [("spec", "tasks", index, "proposal", key) for key in ("model", "region") if task.get("proposal")]
    chance = draw(st.sampled_from([1, 3, 6]))
    for place in places:
        if draw(st.integers(0, 9)) < chance:
            document = with_value(document, place, None)
    for index in range(len(spec["tasks"])):
        if draw(st.integers(0, 2)) == 0:
            document = with_value(document, ("spec", "tasks", index, "proposal"), None)
    return document


@LAWS
@given(data=st.data())
def test_when_all_that_is_asked_is_answered_no_offered_fact_matters(data: st.DataObject) -> None:
    document = data.draw(partly_unknown())
    offered: dict[Any, list[Any]] = {}
    answered = set()
    for _ in range(60):
        now = state(document)
        for question in now.questions:
            offered[question.path] = [value for value, _ in question.outcomes]
        if not now.questions:
            break
        question = now.questions[0]
        assert question.path not in answered
        value = data.draw(st.sampled_from([value for value, _ in question.outcomes]))
        document = with_value(document, question.path, value)
        answered.add(question.path)
    assert not now.questions
    for path in [path for path in offered if path not in answered]:
        stated = with_value(document, path, data.draw(st.sampled_from(offered[path])))
        assert verdicts(stated) == now.verdicts, path


@LAWS
@given(data=st.data())
def test_what_is_not_asked_never_changes_a_verdict(data: st.DataObject) -> None:
    document = data.draw(partly_unknown())
    evidence = check_evidence(Workload.model_validate(document), AT.date(), EXAMPLES)
    before = state(document)
    assert before.verdicts == verdicts(document)
    asked = {question.path for question in before.questions}
    search = _Search(completion(), document, evidence)
    rest = [(path, fact) for path, fact in search.unknown(search.waiting()) if path not in asked]
    stated = []
    for path, fact in data.draw(st.lists(st.sampled_from(rest), max_size=8, unique_by=repr)) if rest else ():
        index = path[2] if path[1] == "tasks" else 0
        assert isinstance(index, int)
        # a free text that no rule reads, such as the host's name, has no value that anything turns at
        values = completion().candidates(fact, search.results[index].facts) or ["any-text"]
        value = data.draw(st.sampled_from(values))
        changed = with_value(document, path, value)
        try:
            Workload.model_validate(changed)
        except ValidationError:
            continue
        document = changed
        stated.append((path, value))
    assert verdicts(document) == before.verdicts, stated
