"""Which decisions are asked for, as people name them, and the query that this comes down to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from policy_engine.asking.moments import check_period, now
from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.records import DecisionQuery
    from policy_audit.snapshot import Snapshot

VERDICTS = ("allow", "allow_with_conditions", "review", "deny")
STAGES = ("prototype", "pilot", "production")
#: Filters that ask for tags: the parameter, and the kind of tag.
TAGS = {
    "rule": "rule",
    "criterion": "criterion",
    "regulation": "regulation",
    "model": "model",
    "deployment": "deployment",
    "missing_evidence": "evidence",
}
ANY = "*"
_PLAIN = ("purpose", "stage", "run", "since", "until", "owner", "namespaces")
_HEX = re.compile(r"[0-9a-f]+")
_DIGEST_DIGITS, _MIN_DIGEST_DIGITS = 64, 8


def decision_query(snapshot: Snapshot, given: Mapping[str, Any]) -> DecisionQuery:
    """Return the query of the filters; those that the caller does not have are as if they were not given.

    `namespaces` are those that whoever asks may see; absent or None are all.

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
    name = wanted.get("name", name)  # a name as it is, which a slash in it does not part
    return DecisionQuery(
        namespace=namespace,
        workload=name,
        verdicts=tuple(dict.fromkeys(wanted.get("verdicts") or ())),
        policy_digest=policy_digest(snapshot, wanted["policy_digest"]),
        tags=tuple((kind, _named(name, wanted[name])) for name, kind in TAGS.items() if wanted[name] is not None),
        expired_at=_second(wanted["at"] or now()) if wanted.get("expired") else None,
        **{name: wanted.get(name) for name in _PLAIN},
    )


def _named(name: str, value: str) -> str | None:
    """Return what a tag is to be; None for any, which nobody can say by leaving a word out of an address or a form."""
    return None if not value or (name, value) == ("missing_evidence", ANY) else value


def _second(moment: datetime) -> datetime:
    """Return the second of a time: `valid_until` names the last one, which is past when it has ended."""
    return moment.replace(microsecond=0)


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
