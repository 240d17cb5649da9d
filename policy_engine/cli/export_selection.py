"""Which decisions an export holds: the options, and what they select in words and as arguments."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.cli.audit_list import STAGES, VERDICTS, Moment
from policy_engine.cli.options import PURPOSES
from policy_engine.errors import Problem, UsageError
from policy_engine.exports.evidence import ALL_UP_TO, MODES, SAMPLE
from policy_engine.wording import listed, number

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.exports.exporting import Selection

F = TypeVar("F", bound=Callable[..., Any])
_WORDS = {
    "namespace": "in the namespace {}",
    "workload": "on the workload {}",
    "verdict": "with the verdict {}",
    "stage": "of the stage {}",
    "purpose": "for the purpose {}",
    "policy_digest": "under the policy {}",
    "rule": "on which the rule {} acted",
    "criterion": "on which a rule that cites {} acted",
    "since": "recorded at {} or later",
    "until": "recorded before {}",
}
NAMES = (
    "workload",
    "namespace",
    "verdicts",
    "since",
    "until",
    "policy_digest",
    "stage",
    "purpose",
    "rule",
    "criterion",
)
EVIDENCE = ("proofs", "with_personal")


def selection_options(command: F) -> F:
    """The filters of decisions, and what an export of them comes with."""
    digest = "Decided under this effective policy; 8 digits or more of it."
    most = f"all up to {number(ALL_UP_TO)} decisions, above a sample of {SAMPLE}"
    for option in reversed(
        (
            click.option("--workload", metavar="[NAMESPACE/]NAME", help="Decisions on this workload."),
            click.option("--namespace", metavar="NAME", help="Decisions in this namespace."),
            click.option("--verdict", "verdicts", type=click.Choice(VERDICTS), multiple=True, help="Repeatable."),
            click.option("--since", type=Moment(), help="Recorded at this time or date (UTC) or later."),
            click.option("--until", type=Moment(), help="Recorded before this time or date (UTC)."),
            click.option("--policy-digest", metavar="DIGEST", help=digest),
            click.option("--stage", type=click.Choice(STAGES), help="Decisions on workloads of this stage."),
            click.option("--purpose", type=click.Choice(PURPOSES), help="Decisions that were made for this."),
            click.option("--rule", metavar="RULE-ID", help="Where this rule fired or is indeterminate."),
            click.option("--criterion", metavar="ID", help="Where a rule that cites this criterion did."),
            click.option(
                "--proofs", type=click.Choice(MODES), help=f"Entries that come with proof.  [default: {most}]"
            ),
            click.option(
                "--with-personal", is_flag=True, help="Also owner, champion and actor; that is put on record."
            ),
        )
    ):
        command = option(command)
    return command


def refuse_selection(name: str, given: Mapping[str, Any]) -> None:
    """Refuse options that select decisions where the format holds the whole log.

    Raises:
        UsageError: one was given.
    """
    option = next((option for option, value in given.items() if value), None)
    if option is not None:
        text = "--" + option.replace("_", "-").replace("verdicts", "verdict")
        message = f"`{text}` selects decisions, and `--format {name}` holds the whole log"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))


def selection(ledger: Ledger, name: str, given: Mapping[str, Any]) -> Selection:
    """Return what the options select."""
    from policy_audit.records import DecisionQuery
    from policy_audit.view import instant

    from policy_engine.cli.audit_list import _identity, _policy_digest
    from policy_engine.exports.exporting import Selection
    from policy_engine.exports.table import Period, Query

    namespace, workload = _identity(_text(given["workload"]), _text(given["namespace"]))
    since, until = (instant(given[key]) if given[key] is not None else None for key in ("since", "until"))
    verdicts = tuple(dict.fromkeys(given["verdicts"]))
    tags = {"rule": _text(given["rule"]), "criterion": _text(given["criterion"])}
    columns = {
        "namespace": namespace,
        "workload": workload,
        "policy_digest": _policy_digest(ledger, given["policy_digest"]),
        "stage": given["stage"],
        "purpose": given["purpose"],
        "since": since,
        "until": until,
    }
    asked = {**columns, "verdict": list(verdicts), **tags}
    arguments = {key: asked[key] for key in _WORDS if asked[key]}
    return Selection(
        DecisionQuery(verdicts=verdicts, tags=tuple((kind, value) for kind, value in tags.items() if value), **columns),
        Query(_words(arguments), _command(name, given, arguments)),
        arguments,
        Period(since, until),
    )


def _words(arguments: Mapping[str, Any]) -> str:
    parts = [
        _WORDS[key].format(listed(value, "or") if isinstance(value, list) else value)
        for key, value in arguments.items()
    ]
    return " ".join(("decisions", ", ".join(parts))) if parts else "all decisions"


def _command(name: str, given: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    words = ["policy", "audit", "export", "FOLDER", "--format", name]
    for key, value in arguments.items():
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{key.replace('_', '-')}", str(each)]
    words += ["--proofs", given["proofs"]] if given.get("proofs") else []
    words += ["--with-personal"] if given.get("with_personal") else []
    return shlex.join(words)


def _text(value: str | None) -> str | None:
    """Return an argument as entries take it: in Unicode normal form C, as names on record are."""
    return unicodedata.normalize("NFC", value) if value is not None else None
