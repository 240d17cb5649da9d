"""Which decisions an export holds: the options, and what they select in words, as arguments, and as a command line."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.asking.decision_query import TAGS, decision_query
from policy_engine.cli.decision_filters import decision_filters, given_filters
from policy_engine.errors import Problem, UsageError
from policy_engine.exports.evidence import ALL_UP_TO, MODES, SAMPLE
from policy_engine.wording import listed, number

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.records import DecisionQuery

    from policy_engine.exports.exporting import Selection

F = TypeVar("F", bound=Callable[..., Any])
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


def selection_options(command: F) -> F:
    """The filters of decisions, and what an export of them comes with."""
    most = f"all up to {number(ALL_UP_TO)} decisions, above a sample of {SAMPLE}"
    personal = "Also owner, champion and actor; that is put on record."
    command = click.option("--with-personal", is_flag=True, help=personal)(command)
    proofs = f"Entries that come with proof.  [default: {most}]"
    return decision_filters(click.option("--proofs", type=click.Choice(MODES), help=proofs)(command))


def refuse_selection(name: str, given: Mapping[str, Any]) -> None:
    """Refuse options that select decisions where the format holds the whole log.

    Raises:
        UsageError: one was given.
    """
    options = given_filters(given)
    if options:
        message = f"`{options[0]}` selects decisions, and `--format {name}` holds the whole log"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))


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
