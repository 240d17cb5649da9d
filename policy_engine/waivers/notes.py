"""What is signed: a C2SP signed note whose text is a line that says what it is, and the statement as canonical JSON.

The first line keeps a signature from meaning anything else: a checkpoint's second line is a number, this one's is not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from policy_audit.canonical import document_bytes
from policy_audit.errors import AuditError, VerificationError
from policy_audit.keys import Signer
from policy_audit.note import Signature, sign_note, split_note

from policy_engine.model.waiver import Statement, read_statement

WAIVER = "policy-engine/v1 waiver"
REVOCATION = "policy-engine/v1 waiver revocation"


def note_text(kind: str, document: Any) -> str:
    """Return the text that is signed."""
    return f"{kind}\n{document_bytes(document).decode()}\n"


def signature_line(kind: str, document: Any, signer: Signer) -> str:
    """Return the signer's line under the document, without its newline."""
    return sign_note(note_text(kind, document), signer).rpartition("\n\n")[2].removesuffix("\n")


def waiver_text(statement: Statement) -> str:
    """Return the text that those who approve a waiver sign."""
    return note_text(WAIVER, statement.document())


def note_of(statement: Statement, lines: Sequence[str]) -> str:
    """Return the note of a statement and the signature lines that belong to it."""
    return waiver_text(statement) + "\n" + "".join(f"{line}\n" for line in lines)


def read_note(note: str) -> tuple[Statement, bytes, list[Signature]]:
    """Return a waiver's statement, the bytes that are signed, and the signatures; verifies nothing but the form.

    Raises:
        VerificationError: it is no note, or not of a waiver, or its JSON is not in canonical form.
    """
    text, signatures = split_note(note)
    kind, _, rest = text.partition("\n")
    if kind != WAIVER:
        raise VerificationError("the note is not a waiver's")
    try:
        statement = read_statement(json.loads(rest))
        canonical = note_text(WAIVER, statement.document())
    except AuditError as error:
        raise VerificationError(f"the note is not a waiver's: {error.message}") from None
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"the note is not a waiver's: {error}") from None
    if canonical != text:
        raise VerificationError("the waiver is not in canonical form")
    return statement, text.encode(), signatures
