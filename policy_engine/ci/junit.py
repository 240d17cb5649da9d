"""JUnit XML as Jenkins' junit-10.xsd has it: a suite for each workload and each invalid file, a case for each task.

A review is a failure as a denial is: JUnit has no warning, and what waits for somebody must not look green. What a
baseline accepts is skipped, with the reason.

INVARIANT: what XML cannot carry is an escape by the time it is written, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.ci.phrases import accepted_text, finding_text, headline, problem_text, whole_text
from policy_engine.ci.places import shown_path, shown_place
from policy_engine.ci.selected import notes
from policy_engine.ci.tally import counted, tally
from policy_engine.errors import Problem
from policy_engine.findings import EFFECTS, Effect, Finding, effect_of, worst_effect
from policy_engine.next_steps import next_steps
from policy_engine.wording import printable

_FAILING: tuple[Effect, ...] = ("review", "deny")
_KINDS = ("failure", "error", "skipped")


def render(judged: Judged, status: int) -> str:
    """Return the document; `status` is what the command comes to."""
    suites = [_totals(judged)]
    suites += [_workload(each) for each in judged.workloads]
    suites += [_invalid(file, problems) for file, problems in _by_file(judged.problems)]
    if judged.stopped:
        suites.append(_errors("policy gate", "run", judged.stopped))
    elif status != 0 and not judged.workloads and not judged.problems:
        suites.append(_errors("policy gate", "run", [Problem("nothing-judged", headline(judged))]))
    root = Element("testsuites", name="policy gate")
    for suite in suites:
        _count(suite)
        root.append(suite)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.set("time", f"{sum(each.seconds for each in judged.workloads):.3f}")
    for element in root.iter():
        element.attrib = {name: printable(value) for name, value in element.attrib.items()}
        element.text = printable(element.text) if element.text else None
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _totals(judged: Judged) -> Element:
    """Return a suite without cases, which says what the whole comes to."""
    found = tally(judged)
    digest = {"policy": judged.policy_digest} if judged.policy_digest is not None else {}
    suite = _suite("policy gate: totals", {**found.numbers(), **digest})
    SubElement(suite, "system-out").text = "\n".join([whole_text(judged), *notes(judged)])
    return suite


def _suite(name: str, properties: Mapping[str, Any]) -> Element:
    suite = Element("testsuite", name=name)
    if properties:
        listed = SubElement(suite, "properties")
        for key, value in properties.items():
            SubElement(listed, "property", name=key, value=str(value))
    return suite


def _count(suite: Element) -> None:
    """Write into a suite how many cases it has of which outcome."""
    cases = suite.findall("testcase")
    failures, errors, skipped = (sum(case.find(kind) is not None for case in cases) for kind in _KINDS)
    numbers = {"tests": len(cases), "failures": failures, "errors": errors, "skipped": skipped}
    suite.attrib.update({name: str(number) for name, number in numbers.items()})


def _workload(workload: JudgedWorkload) -> Element:
    document = workload.shown or workload.decision.document
    ledger = document.get("ledger") or {}
    properties = {
        "decision": workload.decision.id,
        "verdict": workload.decision.verdict,
        "policy": document["policy"]["digest"],
        "ledger.index": ledger.get("index", "none"),
        "valid_until": document["valid_until"] or "none",
    }
    suite = _suite(workload.name, properties)
    suite.set("file", shown_path(workload.file))
    suite.set("timestamp", document["decided_at"].removesuffix("Z"))
    suite.set("time", f"{workload.seconds:.3f}")
    classname = workload.name.replace("/", ".")
    for task in document["tasks"]:
        own = [each for each in workload.findings if each.task == task["name"]]
        suite.append(_task(task, own, classname, next_steps(task, workload.file, workload.decision.id)))
    if workload.effect in _FAILING and all(case.find("failure") is None for case in suite.findall("testcase")):
        case = SubElement(suite, "testcase", classname=classname, name="verdict")
        SubElement(case, "failure", type=workload.effect, message=f"{workload.effect}: the workload as a whole")
    return suite


def _task(task: Mapping[str, Any], findings: Sequence[Finding], classname: str, steps: Sequence[str]) -> Element:
    """Return the case of one task: what fails it, else what it passes under."""
    case = Element("testcase", classname=classname, name=task["name"])
    accepted = [each for each in findings if each.accepted is not None]
    left = [each for each in findings if each.accepted is None]
    effect = worst_effect(left) if accepted else effect_of(task["verdict"])
    rest = [*findings]
    if effect in _FAILING:
        reasons = [each for each in left if each.effect in _FAILING]
        rest = [each for each in left if each.effect not in _FAILING] + accepted
        text = f"{effect}: {reasons[0].message}" if reasons else effect
        failure = SubElement(case, "failure", type=effect, message=text)
        failure.text = "\n".join([*_lines(reasons), *_steps(steps)])
    elif accepted and effect_of(task["verdict"]) in _FAILING:
        rest = left
        reason = "; ".join(dict.fromkeys(accepted_text(each.accepted) for each in accepted if each.accepted))
        skipped = SubElement(case, "skipped", type="baseline", message=reason)
        skipped.text = "\n".join(_lines(accepted))
    if rest:
        SubElement(case, "system-out").text = "\n".join(_lines(rest))
    return case


def _lines(findings: Iterable[Finding]) -> list[str]:
    ordered = sorted(findings, key=lambda each: -EFFECTS.index(each.effect))
    return [f"{shown_place(each.span)}: {each.effect}: {finding_text(each)}" for each in ordered]


def _steps(steps: Sequence[str]) -> list[str]:
    return ["", "What to do next:", *(f"{number}. {step}" for number, step in enumerate(steps, 1))]


def _by_file(problems: Iterable[Problem]) -> list[tuple[str, list[Problem]]]:
    """Return the problems of each file together, and those that are of no file each by itself."""
    found: dict[str, list[Problem]] = {}
    alone: list[tuple[str, list[Problem]]] = []
    for problem in problems:
        if problem.span is not None:
            found.setdefault(problem.span.file, []).append(problem)
        else:
            alone.append(("", [problem]))
    return [*found.items(), *alone]


def _invalid(file: str, problems: Sequence[Problem]) -> Element:
    shown = shown_path(file) if file else "a file that cannot be read"
    suite = _errors(shown, shown, problems)
    if file:
        suite.set("file", shown)
    return suite


def _errors(suite_name: str, name: str, problems: Sequence[Problem]) -> Element:
    suite = _suite(suite_name, {})
    case = SubElement(suite, "testcase", classname="policy-gate", name=name)
    first = problems[0]
    text = f"{counted(len(problems), 'problem')}: {problem_text(first)}" if len(problems) > 1 else problem_text(first)
    error = SubElement(case, "error", type=first.code, message=text)
    error.text = "\n".join(f"{_place(each)}{problem_text(each)} [{each.code}]" for each in problems)
    return suite


def _place(problem: Problem) -> str:
    return f"{shown_place(problem.span)}: " if problem.span is not None else ""
