"""A verification of the ledger as a document, and in words: of the command, and of the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.entry import Draft
    from policy_audit.report import VerificationReport

    from policy_engine.recorder import Context

_MOST_FINDINGS = 50  # an entry has 65,535 bytes

OWN_KEY = (
    "no --vkey was given, so this pins the operator's own key, beside the ledger: it finds what others changed, "
    "not what the operator signed again"
)
KEEP = "nothing kept was given: a dropped tail or an older copy is found only with --kept CHECKPOINT|RECEIPT"


def check_keys(vkeys: Sequence[str]) -> None:
    """Refuse what is no verifier key before anything is read.

    Raises:
        UsageError: one is malformed.
    """
    from policy_audit.errors import VerificationError
    from policy_audit.keys import parse_verifier_key

    for vkey in vkeys:
        try:
            parse_verifier_key(vkey)
        except VerificationError as error:
            raise UsageError(Problem("verifier-key", error.message, help=error.help)) from None


def run_draft(shown: Mapping[str, Any], kept: int, by: Context | None = None) -> Draft:
    """Return the entry of a verification's result, as `verification_value` has it, held to `kept` kept checkpoints."""
    from policy_audit.entry import Draft, EntryType

    body = {name: shown[name] for name in ("ok", "origin", "pinned", "entries", "size", "root", "findings")}
    body["findings"] = body["findings"][:_MOST_FINDINGS]
    steps = [{name: step[name] for name in ("name", "status", "checked", "problems")} for step in shown["steps"]]
    context = {"actor_known_by": by.actor_known_by, **by.details} if by is not None else {}
    personal = {"actor": by.actor} if by is not None and by.actor else {}
    body |= {"steps": steps, "kept": kept}
    return Draft(EntryType.VERIFICATION_RUN, body=body, context=context, personal=personal)


def verification_value(report: VerificationReport, *, given: bool) -> dict[str, Any]:
    """Return the report as JSON holds it; `given`: whoever asked pinned a key of their own."""
    return {
        "kind": "VerificationReport",
        "ok": report.ok,
        "origin": report.origin,
        "pinned": "given" if given else "operator",
        "entries": report.entries,
        "size": report.size,
        "root": report.root,
        "first_failing_index": report.first_failing_index,
        "last_failing_index": report.last_failing_index,
        "findings": report.findings,
        "steps": [
            {
                "number": step.number,
                "name": step.name,
                "title": step.title,
                "status": step.status,
                "checked": step.checked,
                "problems": step.problems,
                "first_problem": step.first_problem,
                "first_index": step.first_index,
                "last_index": step.last_index,
                "note": step.note,
                "apart": step.apart,
            }
            for step in report.steps
        ],
    }


def entries_words(count: int) -> str:
    """Say how many entries."""
    return f"{count:,} entr{'y' if count == 1 else 'ies'}"


def verified_words(shown: Mapping[str, Any]) -> str:
    """Say in a sentence what came out."""
    if shown["ok"]:
        entries = entries_words(shown["entries"]) if shown["entries"] else "the ledger is empty: it holds no entries"
        every = "every step that ran" if any(s["status"] == "skipped" for s in shown["steps"]) else "every step"
        return f"{entries}, {every} passed"
    failed = [s for s in shown["steps"] if s["status"] in ("failed", "restored")]
    problems = sum(s["problems"] for s in failed)
    text = f"{problems:,} problem{'s' if problems > 1 else ''} in {', '.join(s['name'] for s in failed) or 'no step'}"
    first, last = shown["first_failing_index"], shown["last_failing_index"]
    if first is None:
        return text
    if first == last:
        return f"{text}; the first failing index is {first}"
    return f"{text}; the first failing entry is somewhere in entries {first} to {last}"


def checkpoint_of(text: str) -> str:
    """Return the checkpoint in `text`, which is one or a receipt; a malformed one is left to whoever verifies it."""
    from policy_audit.errors import VerificationError
    from policy_audit.proof import HEADER, parse_proof

    try:
        return parse_proof(text).checkpoint if text.startswith(HEADER) else text
    except VerificationError:
        return text
