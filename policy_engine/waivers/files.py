"""The waiver's file: what goes from the requester to the approver, with the requester's name and the signatures.

The name stands in the file alone; what is signed holds a commitment to it, which name and salt open.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from policy_audit.commitment import Disclosure
from policy_audit.errors import AuditError

from policy_engine.errors import InputError, Problem, Span
from policy_engine.loading.yaml_source import Document, load_yaml
from policy_engine.model.waiver import Statement, read_statement

_KEYS = ("apiVersion", "kind", "origin", "rule", "scope", "decided", "reason", "ticket", "valid_from", "valid_until")
_REQUESTER = ("name", "known_by", "salt")
_SALT = re.compile(r"[A-Za-z0-9_-]{22}")
_PLACE = re.compile(r"[.$]*([A-Za-z_]+)|\[(\d+|\.\.\.)\]")
MOST_SIGNATURES, LONGEST_LINE = 20, 1000


class WaiverFile(Struct, frozen=True):
    """A waiver's file: the statement, who asked (name and salt open its commitment), and the signature lines."""

    statement: Statement
    requester: str
    salt: str
    signatures: tuple[str, ...]


def file_document(file: WaiverFile) -> dict[str, Any]:
    """Return the file as plain values."""
    document = file.statement.document()
    known_by = document.pop("requester")["known_by"]
    document["requester"] = {"name": file.requester, "known_by": known_by, "salt": file.salt}
    return {**document, "signatures": list(file.signatures)}


def read_file(text: bytes, name: str) -> WaiverFile:
    """Read a waiver's file, which may come from anybody.

    Raises:
        InputError: it is none, with the place of what is wrong.
    """
    documents = load_yaml(text, name)
    if len(documents) > 1:
        raise _wrong(documents[1].span(), "a second document stands here, and a file holds one waiver")
    document = documents[0]
    value = document.value
    if not isinstance(value, dict):
        raise _wrong(document.span(), "a mapping of keys to values is needed here")
    for key in value:
        if key not in (*_KEYS, "requester", "signatures"):
            raise _wrong(document.key_span(key), f"`{key}` is not a key here")
    requester, salt, known_by = _requester(document, value)
    signatures = _signatures(document, value)
    commitment = Disclosure(salt, "requester", requester).digest
    whole = {key: value[key] for key in _KEYS if key in value}
    whole["requester"] = {"commitment": commitment, "known_by": known_by}
    try:
        statement = read_statement(whole)
        _ = statement.id  # a fact that JSON cannot hold
        _check_texts(document, statement)
    except msgspec.ValidationError as error:
        raise _placed(document, str(error)) from None
    except AuditError as error:
        raise _wrong(document.span(), error.message) from None
    except ValueError as error:
        raise _wrong(document.span(), str(error)) from None
    return WaiverFile(statement, requester, salt, signatures)


def _check_texts(document: Document, statement: Statement) -> None:
    """Refuse texts that the ledger's entries do not take."""
    scope = statement.scope
    named = {
        ("origin",): statement.origin,
        ("rule", "id"): statement.rule.id,
        ("scope", "namespace"): scope.namespace,
        ("scope", "name"): scope.name,
        ("scope", "option"): scope.option,
        ("scope", "task"): scope.task or "",
        ("ticket",): statement.ticket,
        ("reason",): statement.reason,
        ("requester", "known_by"): statement.requester.known_by,
    }
    for path, text in named.items():
        if not unicodedata.is_normalized("NFC", text) or any(unicodedata.category(char) == "Cc" for char in text):
            raise _wrong(document.span(*path), f"`{path[-1]}` has control characters, or is not in Unicode NFC")


def _requester(document: Document, value: Mapping[str, Any]) -> tuple[str, str, str]:
    given = value.get("requester")
    if not isinstance(given, dict) or set(given) != set(_REQUESTER):
        raise _wrong(document.span("requester"), f"`requester` needs {', '.join(_REQUESTER)}, and nothing else")
    for key in _REQUESTER:
        if not isinstance(given[key], str) or not given[key].strip() or len(given[key]) > 500:
            raise _wrong(document.span("requester", key), f"`{key}` must be a short text")
    if not _SALT.fullmatch(given["salt"]):
        raise _wrong(document.span("requester", "salt"), "`salt` is not the salt of a commitment")
    return given["name"], given["salt"], given["known_by"]


def _signatures(document: Document, value: Mapping[str, Any]) -> tuple[str, ...]:
    given = value.get("signatures", [])
    if not isinstance(given, list) or len(given) > MOST_SIGNATURES:
        raise _wrong(document.span("signatures"), f"`signatures` must be a list of {MOST_SIGNATURES} lines at most")
    for place, line in enumerate(given):
        if not isinstance(line, str) or "\n" in line or not line.startswith("— ") or len(line) > LONGEST_LINE:
            raise _wrong(document.span("signatures", place), "this is not a signature line")
    return tuple(given)


def _placed(document: Document, message: str) -> InputError:
    """Give msgspec's message the place that it names, and the project's tone."""
    what, _, where = message.partition(" - at `")
    path: list[str | int] = []
    for name, number in _PLACE.findall(where):
        path.append(name if name else (int(number) if number.isdigit() else 0))
    text = what[:1].lower() + what[1:]
    return _wrong(document.span(*[step for step in path if step != "key"]), text)


def _wrong(span: Span, message: str) -> InputError:
    hint = "`policy waiver request` writes such a file"
    return InputError(Problem("bad-waiver", message, span, hint))
