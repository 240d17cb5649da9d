"""The options that select recorded decisions, and the query that they come down to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.cli.moments import AsOf, Since, Until, check_period
from policy_engine.cli.options import PURPOSES, now
from policy_engine.errors import InputError, Problem, UsageError, did_you_mean

if TYPE_CHECKING:
    from policy_audit.records import DecisionQuery
    from policy_audit.snapshot import Snapshot

F = TypeVar("F", bound=Callable[..., Any])
VERDICTS = ("allow", "allow_with_conditions", "review", "deny")
STAGES = ("prototype", "pilot", "production")
#: Options that ask for tags: the parameter, and the kind of tag.
TAGS = {
    "rule": "rule",
    "criterion": "criterion",
    "regulation": "regulation",
    "model": "model",
    "deployment": "deployment",
    "missing_evidence": "evidence",
}
_ANY = ""
_MOST_NAMES = 10_000
_HEX = re.compile(r"[0-9a-f]+")
_DIGEST_DIGITS, _MIN_DIGEST_DIGITS = 64, 8
_FILTERS = (
    click.option("--workload", metavar="[NAMESPACE/]NAME", help="Decisions on this workload."),
    click.option("--namespace", metavar="NAME", help="Decisions in this namespace."),
    click.option("--owner", metavar="PERSON", help="Decisions on workloads that this person owns; the whole value."),
    click.option("--verdict", "verdicts", type=click.Choice(VERDICTS), multiple=True, help="Repeatable."),
    click.option("--rule", metavar="RULE-ID", help="Where this rule fired or is indeterminate."),
    click.option("--criterion", metavar="ID", help="Where a rule that cites this criterion did."),
    click.option("--regulation", metavar="NAME", help="Decisions on data under this regulation."),
    click.option("--model", metavar="NAME", help="Where this model was proposed, or else recommended."),
    click.option("--deployment", metavar="NAME", help="Where this deployment was judged."),
    click.option(
        "--missing-evidence",
        metavar="[NAME]",
        is_flag=False,
        flag_value=_ANY,
        help="Where required evidence was not there: any, or that of this name.",
    ),
    click.option("--stage", type=click.Choice(STAGES), help="Decisions on workloads of this stage."),
    click.option("--purpose", type=click.Choice(PURPOSES), help="Decisions that were made for this."),
    click.option(
        "--policy-digest", metavar="DIGEST", help="Decided under this effective policy; 8 digits or more of it."
    ),
    click.option("--run", metavar="ID", help="Decisions of this run of a CI system."),
    click.option("--expired", is_flag=True, help="Whose `valid_until` has passed, now or at --at."),
    click.option(
        "--at",
        type=AsOf(),
        help="What --expired and reports go by: a time, or the end of a date (UTC).  [default: now]",
    ),
)
_PERIOD = (
    click.option("--since", type=Since(), help="Recorded at this time or date (UTC) or later."),
    click.option("--until", type=Until(), help="Recorded before this time, or on this date (UTC) at the latest."),
)


def decision_filters(command: F) -> F:
    """Every option that selects decisions."""
    for option in reversed((*_FILTERS, *_PERIOD)):
        command = option(command)
    return command


def decision_query(snapshot: Snapshot, given: Mapping[str, Any]) -> DecisionQuery:
    """Return the query of the options; those that a command does not have are as if they were not given.

    Raises:
        InputError: `--policy-digest` names no policy, or several.
        UsageError: two options contradict each other.
    """
    from policy_audit.records import DecisionQuery

    wanted = {**dict.fromkeys((*TAGS, "workload", "namespace", "policy_digest", "at")), **given}
    if wanted["at"] is not None and not wanted.get("expired"):
        raise UsageError(Problem("usage", "`--at` goes with `--expired`", help="give both, or leave it out"))
    check_period(wanted.get("since"), wanted.get("until"))
    namespace, name = identity(wanted["workload"], wanted["namespace"])
    return DecisionQuery(
        namespace=namespace,
        workload=name,
        verdicts=tuple(dict.fromkeys(wanted.get("verdicts") or ())),
        policy_digest=policy_digest(snapshot, wanted["policy_digest"]),
        tags=tuple((kind, wanted[name] or None) for name, kind in TAGS.items() if wanted[name] is not None),
        expired_at=_second(wanted["at"] or now()) if wanted.get("expired") else None,
        **{name: wanted.get(name) for name in ("purpose", "stage", "run", "since", "until", "owner")},
    )


def _second(moment: datetime) -> datetime:
    """Return the second of a time: `valid_until` names the last one, which is past when it has ended."""
    return moment.replace(microsecond=0)


def given_filters(given: Mapping[str, Any]) -> list[str]:
    """Return the options that were given, as they are written."""
    found = (name for name, value in given.items() if value is not None and value is not False and value != ())
    return [
        "--" + {"verdicts": "verdict", "vkeys": "vkey", "layers": "policy"}.get(name, name).replace("_", "-")
        for name in found
    ]


def identity(workload: str | None, namespace: str | None) -> tuple[str | None, str | None]:
    """Return namespace and name of what `--workload` and `--namespace` say.

    Raises:
        UsageError: they contradict each other.
    """
    if workload is None:
        return namespace, None
    given, slash, name = workload.rpartition("/")
    if slash and namespace is not None and given != namespace:
        message = f"`--workload {workload}` is not in `--namespace {namespace}`"
        raise UsageError(Problem("usage", message, help="leave one of the two out"))
    return (given if slash else namespace), name


def policy_digest(snapshot: Snapshot, given: str | None) -> str | None:
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
    fitting = snapshot.policy_digests(f"sha256:{digits}", limit=4)
    if len(fitting) == 1:
        return fitting[0]
    message = f"no policy on record has a digest that begins with `{given}`"
    help_ = "`policy audit report policy-changes` lists the policies that decisions were made under"
    if fitting:
        message = f"several policies on record have a digest that begins with `{given}`"
        help_ = f"among them {', '.join(f'`{digest}`' for digest in fitting[:3])}"
    raise InputError(Problem("policy-digest", message, help=help_))


def _unknown_name(snapshot: Snapshot, query: DecisionQuery) -> str | None:
    """Say which workload, namespace, run or owner of the query no decision on record has, and which is near."""
    if query.namespace is not None or query.workload is not None:
        known = {(row.namespace, row.workload) for row in snapshot.latest()}
        fitting = [each for each in known if query.namespace in (None, each[0]) and query.workload in (None, each[1])]
        if not fitting:
            return _unknown_workload(query.namespace, query.workload, known)
    # of decisions of an older version the run stands in the entry alone
    if query.run is not None and not snapshot.has_untagged() and query.run not in (runs := snapshot.runs()):
        return _with_near(f"no recorded decision is of the run `{query.run}`", query.run, runs)
    if query.owner is not None and not _of_owner(snapshot, query.owner):
        return "no recorded decision holds this owner: an owner is the whole value as recorded, and none once erased"
    return None


def _of_owner(snapshot: Snapshot, owner: str) -> bool:
    from policy_audit.records import DecisionQuery

    return bool(snapshot.select(DecisionQuery(owner=owner)).page(1).decisions)


def _unknown_workload(namespace: str | None, workload: str | None, known: set[tuple[str, str]]) -> str:
    if workload is None:
        return _with_near(
            f"no recorded decision is in the namespace `{namespace}`", str(namespace), {n for n, _ in known}
        )
    if namespace is None:
        return _with_near(f"no recorded decision is on a workload `{workload}`", workload, {w for _, w in known})
    name = f"{namespace}/{workload}"
    return _with_near(f"no recorded decision is on the workload `{name}`", name, {"/".join(each) for each in known})


def _with_near(text: str, name: str, known: Collection[str]) -> str:
    near = did_you_mean(name, sorted(known))
    return f"{text}; {near}" if near else text


def why_nothing(snapshot: Snapshot, query: DecisionQuery) -> str | None:
    """Say which name of the query no decision on record has, where one is the reason that nothing was found."""
    digest = query.policy_digest
    if digest is not None and not snapshot.policy_digests(digest, limit=1):
        return f"no recorded decision was made under the policy `{digest}`"
    unknown = _unknown_name(snapshot, query)
    if unknown is not None:
        return unknown
    if snapshot.has_untagged():
        return None  # what those name is not known without their documents
    texts = {
        "rule": "in no recorded decision a rule `{}` fired or is indeterminate",
        "criterion": "in no recorded decision a rule that cites the criterion `{}` fired or is indeterminate",
        "evidence": "in no recorded decision the evidence `{}` was missing",
    }
    for kind, value in query.tags:
        known = snapshot.tag_values(kind, _MOST_NAMES)
        if value is not None and value not in known:
            near = did_you_mean(value, known)
            text = texts.get(kind, f"no recorded decision has the {kind} `{{}}`").format(value)
            return f"{text}; {near}" if near else text
    return None
