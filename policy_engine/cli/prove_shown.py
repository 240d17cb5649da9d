"""What `policy prove` shows: each property with its outcome, and of those that are not proved why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from policy_engine.cli.output import Writer, to_json, to_yaml
from policy_engine.cli.printable import printable
from policy_engine.cli.sections import Section, as_markdown, as_text
from policy_engine.decide import format_time
from policy_engine.loading.policy import Policy
from policy_engine.proofs.confirming import Counterexample
from policy_engine.proofs.results import Failure, Result, counted

Files = Mapping[tuple[str, int], Path]


def writers(policy: Policy, at: datetime, results: Sequence[Result], files: Files) -> Mapping[str, Writer]:
    """Return a writer for each format."""

    def value() -> dict[str, Any]:
        return _value(policy, at, results, files)

    return {
        "text": lambda stream: _whole(results, files, lambda sections: as_text(sections, stream), _indented),
        "json": lambda stream: to_json(value()),
        "yaml": lambda stream: to_yaml(value()),
        "markdown": lambda stream: _whole(results, files, as_markdown, _fenced),
    }


def _whole(results: Sequence[Result], files: Files, render: Any, verbatim: Any) -> str:
    """Return the report: a table, each failure with its workload as it stands in a file, and what it comes to."""
    rows = [(each.status, each.id, each.title) for each in results]
    parts = [render([Section(header=("=status", "=property", "~title"), rows=rows)])]
    for result in results:
        for place, failure in enumerate(result.failures):
            parts.append(render([Section(title=_title(result, failure), lines=_lines(result, failure))]))
            if failure.counterexample is not None:
                parts.append(verbatim(failure.counterexample.text()))
            if (result.id, place) in files:
                parts.append(render([Section(lines=[f"written to {files[result.id, place]}"])]))
    parts.append(render([Section(lines=[_summary(results)])]))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _title(result: Result, failure: Failure) -> str:
    return f"{result.id}: {'undecided' if failure.undecided else 'refuted'}"


def _lines(result: Result, failure: Failure) -> list[str]:
    place = failure.span or result.span
    lines = [f"{failure.what}{f' ({place})' if place else ''}"]
    if result.reason:
        lines.append(f"it should hold: {result.reason}")
    if failure.counterexample is not None:
        lines += _said(failure.counterexample)
    return lines


def _said(found: Counterexample) -> list[str]:
    lines = [f"`policy evaluate` says {found.verdict}: {'; '.join(found.reasons) or 'nothing stands against it'}"]
    return lines + [f"besides what the file says: {line}" for line in found.beyond]


def _summary(results: Sequence[Result]) -> str:
    failed = [each for each in results if each.status != "proved"]
    seconds = sum(each.seconds for each in results)
    whole = f"{counted(len(results), 'property', 'properties')} in {seconds:.1f} s: "
    if not failed:
        return whole + "all proved"
    undecided = sum(each.status == "undecided" for each in failed)
    return whole + f"{len(failed)} not proved" + (f", {undecided} of them undecided" if undecided else "")


def _indented(text: str) -> str:
    return "".join(f"    {printable(line)}\n" for line in text.splitlines())


def _fenced(text: str) -> str:
    # a fence longer than any run of backticks in the text
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}yaml\n{text}{fence}\n"


def _value(policy: Policy, at: datetime, results: Sequence[Result], files: Files) -> dict[str, Any]:
    return {
        "kind": "Proofs",
        "at": format_time(at),
        "policy": policy.digest,
        "catalog": policy.catalog.digest,
        "proved": sum(each.status == "proved" for each in results),
        "failed": sum(each.status != "proved" for each in results),
        "properties": [_property(each, files) for each in results],
    }


def _property(result: Result, files: Files) -> dict[str, Any]:
    return {
        "id": result.id,
        "title": result.title,
        "status": result.status,
        "checked": result.checked,
        "seconds": round(result.seconds, 3),
        "layer": result.layer,
        "place": str(result.span) if result.span else None,
        "failures": [_failure(each, files.get((result.id, place))) for place, each in enumerate(result.failures)],
    }


def _failure(failure: Failure, file: Path | None) -> dict[str, Any]:
    found = failure.counterexample
    return {
        "what": failure.what,
        "undecided": failure.undecided,
        "place": str(failure.span) if failure.span else None,
        "counterexample": None
        if found is None
        else {
            "workload": found.workload,
            "verdict": found.verdict,
            "reasons": list(found.reasons),
            "beyond": list(found.beyond),
            "file": str(file) if file is not None else None,
        },
    }
