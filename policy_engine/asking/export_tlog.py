"""The export format `tlog`: the log as a folder that any verifier of C2SP's tlog-tiles reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policy_engine.asking.exporting import Asked, Written
from policy_engine.errors import InputError, Problem, UsageError, VerificationFailedError

if TYPE_CHECKING:
    from policy_audit.log_folder import Exported


def write(asked: Asked) -> Written:
    """Write the folder; its checkpoint comes last, after the export is on record.

    Raises:
        UsageError: the folder cannot be written.
        InputError: it holds something else.
        VerificationFailedError: the ledger, or the folder, is not what was signed.
    """
    from policy_audit.errors import LedgerError, VerificationError

    try:
        exported = asked.ledger.export_log(
            asked.target, documents=asked.documents, progress=asked.progress, record=lambda e: asked.record(_body(e))
        )
    except VerificationError as error:
        raise VerificationFailedError(Problem(error.code, error.message, help=error.help)) from error
    except LedgerError as error:
        kind = {"export-unwritable": UsageError, "export-folder": InputError}.get(error.code)
        if kind is None:
            raise
        raise kind(Problem(error.code, error.message, help=error.help)) from error
    value = {"origin": exported.origin, **_body(exported), "disposed": exported.disposed, "folder": str(asked.target)}
    entries = f"{exported.size:,}, of which {exported.continued:,} were there already"
    gone = f", {exported.disposed:,} were disposed of" if exported.disposed else ""
    pairs = [
        ("Folder", str(asked.target)),
        ("Log", exported.origin),
        ("Entries", entries if exported.continued else f"{exported.size:,}"),
        ("Root", exported.root),
        *([("Documents", f"{exported.documents:,} written{gone}")] if asked.documents else []),
        ("Verify", f"python -m policy_audit.verify {asked.target} --vkey KEY"),
    ]
    return Written(value, pairs)


def _body(exported: Exported) -> dict[str, int | str]:
    return {
        "size": exported.size,
        "root": exported.root,
        "continued": exported.continued,
        "documents": exported.documents,
    }
