"""SARIF 2.1.0: one run, with a result for each finding and each thing that is wrong with a file."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from policy_engine import __version__
from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.ci.phrases import accepted_text, problem_text, whole_text
from policy_engine.ci.places import absolute_uri, is_stream, relative_path, relative_uri
from policy_engine.ci.sarif_rules import INVALID, LEVELS, Descriptors, notifications
from policy_engine.ci.sarif_text import clean, message
from policy_engine.ci.selected import notes
from policy_engine.ci.tally import tally
from policy_engine.errors import Problem, Span
from policy_engine.findings import Finding
from policy_engine.model.waiver import Statement, read_waivers

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"


def render(judged: Judged, status: int) -> str:
    """Return the document; `status` is what the command comes to."""
    import orjson

    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(judged, status)]}
    try:
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    except TypeError:  # halves of characters, out of the name of a file: seldom, and dear to look for
        content = orjson.dumps(clean(document), option=orjson.OPT_INDENT_2)
    return content.decode() + "\n"


def _run(judged: Judged, status: int) -> dict[str, Any]:
    descriptors = Descriptors(judged.policy)
    # what has no place stands among the notifications alone: GitHub takes no result without one
    results = [_problem(each, descriptors) for each in judged.problems if _location(each.span, None)]
    for workload in judged.workloads:
        signed = _statements(workload)
        results += [_finding(workload, each, signed, descriptors) for each in workload.findings]
    driver = {
        "name": "policy-engine",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": descriptors.listed,
        "notifications": notifications((*judged.stopped, *judged.problems)),
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "invocations": [_invocation(judged, status)],
        "columnKind": "unicodeCodePoints",
        "newlineSequences": ["\r\n", "\n", "\r"],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "results": results,
        "properties": {"totals": tally(judged).numbers(), **_policy(judged)},
    }
    provenance = _provenance()
    return {**run, "versionControlProvenance": [provenance]} if provenance else run


def _policy(judged: Judged) -> dict[str, Any]:
    return {"policyDigest": judged.policy_digest} if judged.policy_digest is not None else {}


def _invocation(judged: Judged, status: int) -> dict[str, Any]:
    judged_all = not judged.stopped and not judged.problems and (bool(judged.workloads) or status == 0)
    return {
        "executionSuccessful": judged_all,
        "exitCode": status,
        "exitCodeDescription": whole_text(judged),
        "toolExecutionNotifications": [
            *(_notification(each) for each in (*judged.stopped, *judged.problems)),
            *({"level": "note", "message": message(each)} for each in notes(judged)),
        ],
    }


def _notification(problem: Problem) -> dict[str, Any]:
    found: dict[str, Any] = {
        "level": "error",
        "message": message(problem_text(problem)),
        "descriptor": {"id": problem.code},
    }
    where = _location(problem.span, None)
    return {**found, "locations": [where]} if where else found


def _problem(problem: Problem, descriptors: Descriptors) -> dict[str, Any]:
    """Return what is wrong with a file as a result, for those who read results alone."""
    return {
        "ruleId": INVALID + problem.code,
        "ruleIndex": descriptors.of_problem(problem),
        "kind": "fail",
        "level": "error",
        "message": message(problem_text(problem)),
        "locations": [_location(problem.span, None)],
        "suppressions": [],
    }


def _finding(
    workload: JudgedWorkload, finding: Finding, signed: dict[str, Statement], descriptors: Descriptors
) -> dict[str, Any]:
    return {
        "ruleId": finding.code,
        "ruleIndex": descriptors.of_finding(finding),
        "kind": "fail",
        "level": LEVELS[finding.effect],
        "message": message(finding.message),
        "locations": [_location(finding.span, finding)],
        "partialFingerprints": {
            "policyFindingIdentity/v1": finding.identity,
            "policyFindingFacts/v1": finding.fingerprint,
        },
        "suppressions": _suppressions(finding, signed),
        "properties": _properties(workload, finding),
    }


def _suppressions(finding: Finding, signed: dict[str, Statement]) -> list[dict[str, Any]]:
    """Return what keeps a finding from counting: a waiver that was used, the entry of a baseline."""
    reasons = []
    if finding.kind == "waiver":
        statement = signed.get(finding.waiver or "")
        why = f", for {statement.ticket}: {statement.reason}" if statement is not None else ""
        reasons.append(f"{finding.message}{why}")
    if finding.accepted is not None:
        reasons.append(accepted_text(finding.accepted))
    return [{"kind": "external", "status": "accepted", "justification": reason} for reason in reasons]


def _statements(workload: JudgedWorkload) -> dict[str, Statement]:
    content = workload.decision.waivers_content
    return {each.id: each.statement for each in read_waivers(content)} if content is not None else {}


def _properties(workload: JudgedWorkload, finding: Finding) -> dict[str, Any]:
    decision = workload.decision
    ledger = workload.shown.get("ledger") or {}
    accepted = finding.accepted
    expires = accepted.expires.isoformat() if accepted is not None else None
    found = {
        "effect": finding.effect,
        "finding": finding.kind,
        "namespace": finding.namespace,
        "workload": finding.workload,
        "task": finding.task,
        "option": finding.option,
        "enforcement": finding.enforcement,
        "rules": list(finding.rules),
        "criteria": list(finding.criteria),
        "facts": dict(finding.facts),
        "missing": list(finding.missing),
        "grounds": list(finding.grounds),
        "evidence": finding.evidence,
        "waiver": finding.waiver,
        "accepted": {"reason": accepted.reason, "expires": expires} if accepted is not None else None,
        "verdict": decision.verdict,
        "decision": decision.id,
        "ledgerIndex": ledger.get("index"),
    }
    return {name: value for name, value in found.items() if value not in (None, [], {})}


def _location(span: Span | None, finding: Finding | None) -> dict[str, Any]:
    """Return where something stands; of what came through a pipe only what it is called."""
    found: dict[str, Any] = {}
    if span is not None and not is_stream(span.file):
        path = relative_path(span.file)
        artifact = {"uri": relative_uri(path), "uriBaseId": ROOT} if path else {"uri": absolute_uri(span.file)}
        region = {"startLine": span.line, "startColumn": span.column}
        found["physicalLocation"] = {"artifactLocation": artifact, "region": region}
    if finding is not None:
        name = f"{finding.namespace}/{finding.workload}/{finding.task}"
        found["logicalLocations"] = [{"name": finding.task, "fullyQualifiedName": name, "kind": "object"}]
    return found


def _provenance() -> dict[str, Any] | None:
    """Return repository and commit as a CI system names them; None where nobody does, or it is no address."""
    env = os.environ
    if env.get("GITHUB_ACTIONS") == "true":
        server, repository = env.get("GITHUB_SERVER_URL", ""), env.get("GITHUB_REPOSITORY", "")
        address, commit, branch = f"{server}/{repository}", env.get("GITHUB_SHA"), env.get("GITHUB_REF_NAME")
    elif env.get("GITLAB_CI") == "true":
        address, commit = env.get("CI_PROJECT_URL", ""), env.get("CI_COMMIT_SHA")
        branch = env.get("CI_COMMIT_REF_NAME")
    else:
        address, commit, branch = env.get("POLICY_REPOSITORY", ""), env.get("POLICY_COMMIT"), None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or " " in address:
        return None
    found = {"repositoryUri": address, "revisionId": commit, "branch": branch, "mappedTo": {"uriBaseId": ROOT}}
    return {name: value for name, value in found.items() if value}
