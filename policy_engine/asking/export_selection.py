"""Which decisions an export holds: what is asked for in words, as arguments, and as a command line."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from policy_engine.asking.decision_query import TAGS, decision_query
from policy_engine.wording import listed

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.records import DecisionQuery

    from policy_engine.exports.exporting import Selection

#: In the place of an owner in what is recorded and handed out, for an entry can never be mended.
_ONE_OWNER, _PERSON = "one_owner", "PERSON"
_ANY = "any"
_OPTIONS = {kind: option.replace("_", "-") for option, kind in TAGS.items()}
_WORDS = {
    "namespace": "in the namespace {}",
    "workload": "on the workload {}",
    _ONE_OWNER: "on the workloads of one owner, who is not named here",
    "verdict": "with the verdict {}",
    "stage": "of the stage {}",
    "purpose": "for the purpose {}",
    "policy_digest": "under the policy {}",
    "run": "of the run {}",
    "rule": "on which the rule {} acted",
    "criterion": "on which a rule that cites {} acted",
    "regulation": "on data under {}",
    "model": "with the model {}",
    "deployment": "with the deployment {}",
    "evidence": "without required evidence: {}",
    "since": "recorded at {} or later",
    "until": "recorded before {}",
    "expired_at": "whose validity had ended at {}",
}


def selection(ledger: Ledger, name: str, given: Mapping[str, Any]) -> Selection:
    """Return what the options select."""
    from policy_audit.snapshot import open_snapshot

    from policy_engine.exports.exporting import Selection
    from policy_engine.exports.table import Period, Query

    with open_snapshot(ledger) as snapshot:
        query = _normal(decision_query(snapshot, given))
    arguments = _arguments(query)
    return Selection(
        query,
        Query(_words(arguments), _command(name, given, arguments)),
        arguments,
        Period(arguments.get("since"), arguments.get("until")),
    )


def _normal(query: DecisionQuery) -> DecisionQuery:
    """Return the query as entries have it: text in Unicode normal form C, times to the microsecond."""
    from policy_audit.view import instant

    found: dict[str, Any] = {each.name: getattr(query, each.name) for each in fields(query)}
    normal: dict[str, Any] = {key: _nfc(value) for key, value in found.items() if isinstance(value, str)}
    normal |= {key: instant(found[key]) for key in ("since", "until", "expired_at") if found[key] is not None}
    return replace(query, **{**normal, "tags": tuple((kind, value and _nfc(value)) for kind, value in query.tags)})


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _arguments(query: DecisionQuery) -> dict[str, Any]:
    """Return the fields that are set, in the order of `_WORDS`; no person is named."""
    found: dict[str, Any] = {each.name: getattr(query, each.name) for each in fields(query)}
    found |= {"verdict": list(query.verdicts), _ONE_OWNER: query.owner is not None}
    for kind, value in query.tags:
        found[kind] = value if value is not None else _ANY
    return {key: found[key] for key in _WORDS if found.get(key)}


def _words(arguments: Mapping[str, Any]) -> str:
    parts = [
        _WORDS[key].format(listed(value, "or") if isinstance(value, list) else value)
        for key, value in arguments.items()
    ]
    return " ".join(("decisions", ", ".join(parts))) if parts else "all decisions"


def _command(name: str, given: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    words = ["policy", "audit", "export", "FOLDER", "--format", name]
    for key, value in arguments.items():
        if key == "expired_at":
            words += ["--expired", "--at", value]
        elif key == _ONE_OWNER:
            words += ["--owner", _PERSON]
        elif key == "evidence" and value == _ANY:
            words += ["--missing-evidence"]
        else:
            option = f"--{_OPTIONS.get(key, key.replace('_', '-'))}"
            words += [word for each in (value if isinstance(value, list) else [value]) for word in (option, str(each))]
    words += ["--proofs", given["proofs"]] if given.get("proofs") else []
    words += ["--with-personal"] if given.get("with_personal") else []
    return shlex.join(words)
