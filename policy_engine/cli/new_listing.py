"""What `policy new --complete` would ask, as text and as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from policy_engine.cli.printable import printable
from policy_engine.completion import Question, State
from policy_engine.evidence_wording import graded_by
from policy_engine.model.workload import Workload
from policy_engine.summary import VERDICT_WORDS

FORMATS = ("text", "json", "yaml")


def listed_questions(workload: Workload, state: State) -> dict[str, Any]:
    """Return what would be asked about one workload, as plain data."""
    several = len(workload.spec.tasks) > 1
    return {
        "workload": {"namespace": workload.namespace, "name": workload.metadata.name},
        "verdict": state.verdict,
        "tasks": [
            {"name": task.name, "verdict": verdict}
            for task, verdict in zip(workload.spec.tasks, state.verdicts, strict=True)
        ],
        "questions": [
            {
                "fact": question.name,
                "task": question.task,
                "set": _setting(question, several),
                "type": question.fact.type,
                "values": list(question.fact.values or ()),
                "unit": question.fact.unit,
                "meaning": question.fact.meaning,
                "alone": question.effect > 0,
                "outcomes": [{"value": value, "verdict": verdict} for value, verdict in question.outcomes],
            }
            for question in state.questions
        ],
        "catalog_gaps": list(state.catalog_gaps),
        "evidence": [
            {"evidence": duty.evidence, "enforcement": duty.enforcement, "grade": duty.grade, "why": duty.why}
            for duty in state.owed
        ],
    }


def _setting(question: Question, several: bool) -> str:
    """Return the name under which `--set` takes the fact."""
    if not several or question.task is None:
        return question.name
    return f"task.{question.task}.{question.name.removeprefix('task.')}"


def writers(listing: list[dict[str, Any]], file: str) -> dict[str, Callable[[Any], str]]:
    """Return a writer for each format."""
    from policy_engine.cli.output import to_json, to_yaml

    document = {"apiVersion": "policy-engine/v1", "kind": "Completion", "workloads": listing}
    return {
        "text": lambda stream: "\n".join(_listing_text(each, file) for each in listing),
        "json": lambda stream: to_json(document),
        "yaml": lambda stream: to_yaml(document),
    }


def _listing_text(listing: dict[str, Any], file: str) -> str:
    """Return what would be asked, as lines."""
    workload, questions = listing["workload"], listing["questions"]
    lines = [f"{VERDICT_WORDS[listing['verdict']]}  {workload['namespace']}/{workload['name']}"]
    if not questions:
        lines.append("  no unknown fact can change the verdict")
    for number, question in enumerate(questions, 1):
        verdicts = dict.fromkeys(VERDICT_WORDS[each["verdict"]] for each in question["outcomes"])
        alone = f" (alone: {' or '.join(verdicts)})" if question["alone"] and len(verdicts) > 1 else ""
        lines.append(f"  {number}. {question['set']}{alone}")
        lines.append(f"     {question['meaning']}")
    if questions:
        lines.append(f"Answer with: policy new --complete {file} --set {questions[0]['set']}=VALUE")
    lines += [f"  the catalog does not know {name}" for name in listing["catalog_gaps"]]
    lines += [f"  {owed_text(duty, file)}" for duty in listing["evidence"]]
    return "\n".join(map(printable, lines)) + "\n"


def owed_text(duty: Mapping[str, Any], file: str) -> str:
    """Say that evidence is outstanding, and which command gives it the grade that is asked for."""
    return f"evidence `{duty['evidence']}` is needed ({duty['enforcement']}): {duty['why']}{graded_by(duty, file)}"
