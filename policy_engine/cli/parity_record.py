"""What `policy parity --record` puts on record: the report, its receipt, and what it is evidence of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from policy_engine.cli.evidence_common import beside, check_target
from policy_engine.cli.options import now, opened
from policy_engine.cli.parity_asked import Question
from policy_engine.cli.waiver_common import acting, audited
from policy_engine.errors import InputError, PolicyError, Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.cli.options import LedgerChoice
    from policy_engine.loading.policy import Policy
    from policy_engine.model.workload import Workload
    from policy_engine.vouching.evaluation import Evaluation

_BEGINS = "c2sp.org/tlog-proof@v1\n"


class Recorder(Struct, frozen=True):
    """Where a report is recorded, and of which workload it is evidence; checked before models are compared."""

    choice: LedgerChoice
    workload: Workload
    folder: Path
    until: date | None
    target: Path | None


def prepare(choice: LedgerChoice, asked: Question, until: date | None, target: Path | None) -> Recorder:
    """Check what would keep a report from being recorded.

    Raises:
        UsageError: the receipt cannot be written there, or nobody could use it, or the report would have ended.
        RecordingError: the ledger cannot be opened.
    """
    if until is not None and until < now().date():
        raise UsageError(Problem("usage", f"`--valid-until {until}` is past", help="name a day to come"))
    if target is not None:
        if choice.scratch:
            message = "a ledger in memory ends with this command, and its receipts prove nothing"
            raise UsageError(Problem("scratch-ledger", message, help="name another with --ledger"))
        check_target(target, _BEGINS)
        check_target(target.with_suffix(".entry.json"), "{")
    with audited(), opened(choice):
        pass
    if asked.workload is None:
        raise ValueError("a report is evidence of a workload")
    return Recorder(choice, asked.workload, asked.folder, until, target)


def record(recorder: Recorder, report: Evaluation, policy: Policy) -> dict[str, Any]:
    """Record the report, write its receipt where one is asked for, and return what is said of it.

    Raises:
        RecordingError: the ledger refused: nothing that was found is handed out.
        InputError: the report is too large for an entry, or a name in it is in no normal form.
    """
    from policy_audit.entry import Draft, EntryType
    from policy_audit.errors import CanonicalError

    from policy_engine.vouching.evaluated import problem_of
    from policy_engine.vouching.evaluation import EVIDENCE, evaluation_body
    from policy_engine.waivers.on_record import stored_context

    context, workload = acting(), recorder.workload
    personal = {"actor": context.actor} if context.actor is not None else {}
    until = recorder.until.isoformat() if recorder.until is not None else None
    try:
        body = evaluation_body(report, workload.identity, until)
    except CanonicalError as error:
        raise InputError(
            Problem(error.code, error.message, help="compare fewer tasks, or name them otherwise")
        ) from error
    kept = {**stored_context(context), "namespace": workload.namespace, "workload": workload.metadata.name}
    with audited(), opened(recorder.choice) as ledger:
        index = ledger.append(Draft(EntryType.EVALUATION_REPORT, body=body, context=kept, personal=personal)).index
        entry, receipt = ledger.entry(index), ledger.receipt(index)
        log = {"origin": ledger.origin, "vkey": ledger.verifier_key}
        revoked = _revoked(ledger, entry.raw, policy)
    problem = revoked or problem_of(report, workload, policy)
    found = {
        "evidence": list(EVIDENCE),
        "workload": workload.identity,
        "sha256": body["sha256"],
        "valid_until": until,
        "counts": problem is None,
        "problem": problem,
        "ledger": {**log, "index": index, "leaf_hash": entry.leaf_hash, "kept": not recorder.choice.scratch},
        "receipt": None,
        "entry": None,
    }
    if recorder.target is not None:
        with told(found):
            found |= _written(recorder.target, recorder.folder, receipt.encode(), entry.raw)
    return found


@contextmanager
def told(kept: dict[str, Any] | None) -> Iterator[None]:
    """Tell which entry holds the report where it cannot be shown: it is on record all the same."""
    try:
        yield
    except (PolicyError, OSError):
        if kept is not None:
            ledger = kept["ledger"]
            click.echo(f"the report is on record all the same: entry {ledger['index']} of {ledger['origin']}", err=True)
        raise


def _revoked(ledger: Ledger, entry: bytes, policy: Policy) -> str | None:
    """Say by what the report is evidence no more, although it was recorded again; None where it is not revoked."""
    from policy_engine.vouching.entries import names_of
    from policy_engine.vouching.revoked import revoked_names

    names, revoked = names_of(entry), revoked_names(ledger)
    record = next((revoked[name] for name in names if name in revoked), None)
    if record is not None:
        return f"what it compared was revoked in the entry {record.index} of this ledger"
    return "the policy says that it is evidence no more" if names & policy.approvers.revoked_entries else None


def how_to_name(kept: dict[str, Any]) -> list[str]:
    """Return the lines that tell how a workload names the report, or why it has no use for it."""
    ledger = kept["ledger"]
    if not ledger["kept"]:
        return ["recorded in memory, and gone with this command: name a ledger with --ledger"]
    lines = [f"entry {ledger['index']} of {ledger['origin']}, for {kept['workload']}"]
    if kept["problem"] is not None:
        return [*lines, f"it is no evidence that a model may be replaced: {kept['problem']}"]
    named = f"{{ledger_index: {ledger['index']}}}"
    if kept["receipt"] is not None:
        named = f"{{receipt: {kept['receipt']}, entry: {kept['entry']}}}"
    lines += [f"evidence.{name}: {named}" for name in kept["evidence"]]
    lines += ["of which precision the candidate's weights were, it does not say: propose the one that answered"]
    if kept["receipt"] is not None:
        return [*lines, f"approvers.yaml pins the ledger: origins: [{{vkey: {ledger['vkey']}}}]"]
    index = ledger["index"]
    return [*lines, f"another ledger's decisions need its receipt: policy audit prove {index} --to FILE --entry FILE"]


def _written(target: Path, folder: Path, receipt: bytes, entry: bytes) -> dict[str, str]:
    from policy_engine.cli.ledger_reading import write_bytes

    entry_path = target.with_suffix(".entry.json")
    write_bytes(str(entry_path), entry)
    write_bytes(str(target), receipt)
    return {"receipt": beside(target, folder), "entry": beside(entry_path, folder)}
