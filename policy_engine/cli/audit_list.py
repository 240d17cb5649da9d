"""`policy audit list`: the decisions, or all entries, that the filters select; the newest first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.cli.ledger_reading import (
    ALTERED,
    DISPOSED,
    ERASED,
    LOST,
    decision_document,
    listed_entry,
    personal_status,
    personal_values,
    reading,
)
from policy_engine.cli.options import PURPOSES, Time, ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import InputError, Problem, UsageError, VerificationFailedError, did_you_mean

if TYPE_CHECKING:
    from policy_audit.ledger import DecisionFilter, Ledger, StoredDecision, StoredEntry

R = TypeVar("R", "StoredDecision", "StoredEntry")
VERDICTS = ("allow", "allow_with_conditions", "review", "deny")
STAGES = ("prototype", "pilot", "production")
TYPES = (
    "decision all policy-activation waiver-requested waiver-granted waiver-revoked waiver-used evidence-approved "
    "evidence-recorded probe-attestation evaluation-report erasure disposal hold key-rotation personal-key-rotation "
    "export officer-query verification-run restore anchor heartbeat"
).split()
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIRST_WINDOW = 256
_DECISION_HEADER = (">#", "=Recorded (UTC)", "=Verdict", "=Purpose", "=Decision", "~Workload, owner")
_NO_OWNER = {
    "none": "no owner",
    "sealed": "owner sealed",
    "erased": f"owner {ERASED}",
    "disposed": f"owner {DISPOSED}",
    "missing": f"owner {LOST}",
    "altered": f"owner {ALTERED}",
}
_ENTRY_HEADER = (">#", "=Recorded (UTC)", "=Type", "~Context")
_HEX = re.compile(r"[0-9a-f]+")
_DIGEST_DIGITS, _MIN_DIGEST_DIGITS = 64, 8


class Moment(Time):
    """An RFC 3339 time, or a date, which stands for its midnight in UTC."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = f"{value}T00:00:00Z" if isinstance(value, str) and _DATE.fullmatch(value) else value
        return super().convert(text, param, ctx)


@click.command("list", epilog="Example: policy audit list --verdict deny --verdict review --since 2026-11-01 -o json")
@click.option(
    "--type",
    "kind",
    metavar="TYPE",
    type=click.Choice(TYPES),
    default="decision",
    show_default=True,
    help=f"Which entries: {', '.join(TYPES)}.",
)
@click.option("--workload", metavar="[NAMESPACE/]NAME", help="Decisions on this workload.")
@click.option("--namespace", metavar="NAME", help="Decisions in this namespace.")
@click.option("--verdict", "verdicts", type=click.Choice(VERDICTS), multiple=True, help="Repeatable.")
@click.option("--since", type=Moment(), help="Recorded at this time or date (UTC) or later.")
@click.option("--until", type=Moment(), help="Recorded before this time or date (UTC).")
@click.option("--policy-digest", metavar="DIGEST", help="Decided under this effective policy; 8 digits or more of it.")
@click.option("--stage", type=click.Choice(STAGES), help="Decisions on workloads of this stage.")
@click.option("--purpose", type=click.Choice(PURPOSES), help="Decisions that were made for this.")
@click.option("--rule", metavar="RULE-ID", help="Where this rule fired or is indeterminate.")
@click.option("--criterion", metavar="ID", help="Where a rule that cites this criterion did.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many, newest first.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    kind: str,
    limit: int,
    since: datetime | None,
    until: datetime | None,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
    **wanted: Any,
) -> None:
    """List recorded decisions, or with --type other entries.

    Filters are combined: all of them must hold. --rule and --criterion read the recorded documents themselves, which
    takes longer on a large ledger.
    """
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    if kind != "decision":
        _refuse_filters(kind, wanted)
    with reading(ctx, ledger, ledger_key) as open_ledger:
        if kind == "decision":
            found = _decisions(open_ledger, wanted, since, until, limit)
        else:
            found = _entries(open_ledger, kind, since, until, limit)
    write_reports(targets, report_writers(lambda: found, lambda: _sections(found)))


def _refuse_filters(kind: str, wanted: Mapping[str, Any]) -> None:
    given = next((name for name, value in wanted.items() if value), None)
    if given is not None:
        option = "--" + given.replace("_", "-").replace("verdicts", "verdict")
        message = f"`{option}` selects decisions, and `--type {kind}` lists other entries"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))


def _decisions(
    ledger: Ledger, wanted: Mapping[str, Any], since: datetime | None, until: datetime | None, limit: int
) -> dict[str, Any]:
    from policy_audit.ledger import DecisionFilter

    namespace, name = _identity(wanted["workload"], wanted["namespace"])
    digest = _policy_digest(ledger, wanted["policy_digest"])
    columns = {"policy_digest": digest, "stage": wanted["stage"], "purpose": wanted["purpose"]}
    base = DecisionFilter(namespace=namespace, workload=name, since=since, until=until, **columns)
    verdicts = tuple(dict.fromkeys(wanted["verdicts"])) or (None,)
    rows = _newest(lambda size: _window(ledger, base, verdicts, size), limit + 1)
    rule, criterion = wanted["rule"], wanted["criterion"]
    found, named = [], _Named()
    for row in rows:
        if not (rule or criterion) or _is_on(ledger, row.index, rule, criterion, named):
            found.append(row)
            if len(found) > limit:
                break
    erased = cache(ledger.erased)  # read once, and only where an owner is not held
    shown = [{**_columns(row), **_owner(ledger, row.index, erased)} for row in found[:limit]]
    narrowed = base != DecisionFilter() or verdicts != (None,)
    hint = None if found else named.hint(rule, criterion, narrowed) or _digest_hint(ledger, digest)
    return {"kind": "DecisionList", "decisions": shown, "more": len(found) > limit, "hint": hint}


def _columns(row: StoredDecision) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name != "tag_set"}


def _policy_digest(ledger: Ledger, given: str | None) -> str | None:
    """Return the whole digest that `given` is, or is the beginning of, with or without `sha256:`.

    Raises:
        InputError: it is no digest, is too short, or begins several digests on record or none.
    """
    if given is None:
        return None
    digits = given.strip().lower().removeprefix("sha256:")
    if not _HEX.fullmatch(digits) or not _MIN_DIGEST_DIGITS <= len(digits) <= _DIGEST_DIGITS:
        hint = f"give at least {_MIN_DIGEST_DIGITS} of its {_DIGEST_DIGITS} hexadecimal digits"
        raise InputError(Problem("policy-digest", f"`{given}` is not the digest of a policy", help=hint))
    if len(digits) == _DIGEST_DIGITS:
        return f"sha256:{digits}"
    fitting = ledger.policy_digests(f"sha256:{digits}", limit=4)
    if len(fitting) == 1:
        return fitting[0]
    message = f"no policy on record has a digest that begins with `{given}`"
    help_ = "`policy audit show INDEX` shows the digest of the policy that a decision was made under"
    if fitting:
        message = f"several policies on record have a digest that begins with `{given}`"
        help_ = f"among them {', '.join(f'`{digest}`' for digest in fitting[:3])}"
    raise InputError(Problem("policy-digest", message, help=help_))


def _digest_hint(ledger: Ledger, digest: str | None) -> str | None:
    if digest is None or ledger.policy_digests(digest, limit=1):
        return None
    return f"no recorded decision was made under the policy `{digest}`"


@dataclass
class _Named:
    """What the documents that were read name, so that a name which none of them has can be told from one that has."""

    rules: set[str] = field(default_factory=set)
    criteria: set[str] = field(default_factory=set)

    def hint(self, rule: str | None, criterion: str | None, narrowed: bool) -> str | None:
        if not self.rules:
            return None  # nothing was read
        those = "decision that the other filters select" if narrowed else "recorded decision"
        for what, name, known in (
            ("a rule", rule, self.rules),
            ("a rule that cites the criterion", criterion, self.criteria),
        ):
            if name is not None and name not in known:
                near = did_you_mean(name, sorted(known))
                return f"no {those} names {what} `{name}`" + (f"; {near}" if near else "")
        return None


def _owner(ledger: Ledger, index: int, erased: Callable[[], set[tuple[int, str]]]) -> dict[str, str | None]:
    """Return the owner on record, and where none can be shown whether it was altered or erased, or is missing."""
    found = personal_values(ledger, listed_entry(ledger, index), erased)
    return {"owner": found["personal"].get("owner"), "owner_status": personal_status(found, "owner")}


def _identity(workload: str | None, namespace: str | None) -> tuple[str | None, str | None]:
    if workload is None:
        return namespace, None
    given, slash, name = workload.rpartition("/")
    if slash and namespace is not None and given != namespace:
        message = f"`--workload {workload}` is not in `--namespace {namespace}`"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))
    return (given if slash else namespace), name


def _window(ledger: Ledger, base: DecisionFilter, verdicts: Sequence[str | None], size: int) -> list[StoredDecision]:
    rows = [row for verdict in verdicts for row in ledger.list_decisions(replace(base, verdict=verdict), limit=size)]
    return sorted(rows, key=lambda row: -row.index)[:size]


def _newest(window: Callable[[int], list[R]], at_least: int) -> Iterator[R]:
    """Yield rows from the newest on, asking for windows that double; what is appended meanwhile is left out."""
    size, last = max(at_least, _FIRST_WINDOW), None
    while True:
        rows = window(size)
        for row in rows:
            if last is None or row.index < last:
                last = row.index
                yield row
        if len(rows) < size:
            return
        size *= 2


def _is_on(ledger: Ledger, index: int, rule: str | None, criterion: str | None, named: _Named) -> bool:
    from policy_audit.errors import LedgerError

    try:
        document = decision_document(ledger, listed_entry(ledger, index))
    except LedgerError as error:
        if error.code != "blob-disposed":
            raise
        return False  # what its rules were is gone
    try:
        rows = [row for task in document["tasks"] for row in task["rules"]]
        named.rules.update(str(row["id"]) for row in rows)
        named.criteria.update(str(name) for row in rows for name in row["criteria"])
        return _acts(rows, rule, criterion)
    except (KeyError, TypeError) as error:
        message = f"the document that the entry {index} names is not a decision"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`")) from error


def _acts(rows: Sequence[Mapping[str, Any]], rule: str | None, criterion: str | None) -> bool:
    """Whether a rule with this id, citing this criterion, fired or is indeterminate."""
    return any(
        row["outcome"] != "not_fired"
        and (rule is None or row["id"] == rule)
        and (criterion is None or criterion in row["criteria"])
        for row in rows
    )


def _entries(ledger: Ledger, kind: str, since: datetime | None, until: datetime | None, limit: int) -> dict[str, Any]:
    wanted = None if kind == "all" else kind
    rows = ledger.list_entries(type=wanted, since=since, until=until, limit=limit + 1)
    shown = [
        {
            "index": row.index,
            "type": row.type,
            "recorded_at": row.recorded_at,
            "leaf_hash": row.leaf_hash,
            "context": row.document.get("context", {}),
        }
        for row in rows[:limit]
    ]
    return {"kind": "EntryList", "entries": shown, "more": len(rows) > limit}


def _sections(found: Mapping[str, Any]) -> list[Section]:
    decisions = found["kind"] == "DecisionList"
    rows = found["decisions"] if decisions else found["entries"]
    if not rows:
        hint = found.get("hint")
        return [Section(lines=["nothing on record fits", *([hint] if hint else [])])]
    if decisions:
        table = Section(header=_DECISION_HEADER, rows=[_decision_cells(row) for row in rows])
    else:
        table = Section(header=_ENTRY_HEADER, rows=[_entry_cells(row) for row in rows])
    more = f"the newest {len(rows)}; there are more: --limit shows more of them"
    return [table, Section(lines=[more])] if found["more"] else [table]


def _entry_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    context = ", ".join(f"{name} {value}" for name, value in row["context"].items())
    return str(row["index"]), _minute(row["recorded_at"]), row["type"], context


def _decision_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(row["index"]),
        _minute(row["recorded_at"]),
        row["verdict"],
        row["purpose"] or "",
        row["decision_id"][:12],
        f"{row['namespace']}/{row['workload']}, {_NO_OWNER.get(row['owner_status'], row['owner'])}",
    )


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
