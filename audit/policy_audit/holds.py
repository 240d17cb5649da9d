"""Legal holds: what is placed and released by entries of the type `hold`, and what a hold covers.

The state follows from the entries alone, never from a table that could be edited. A hold has no expiry. A hold
entry that cannot be read covers everything, until it is released by the id `entry-<index>`: unknown is never false.

    {"action": "place", "hold": ID, "scope": {"kind": ...}, "reason": TEXT, "ticket": TEXT}
    {"action": "release", "hold": ID, "reason": TEXT, "ticket": TEXT}

A hold on a person has the kind `subject`, and the person as its personal value `subject`, committed to and sealed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from policy_audit.entry import Entry, EntryType
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.view import instant

SUBJECT = "subject"
HOLD_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
UNREADABLE = re.compile(r"entry-\d+")
#: The members of each kind of scope.
KINDS: dict[str, tuple[str, ...]] = {
    "all": (),
    SUBJECT: (),
    "workload": ("namespace", "workload"),
    "namespace": ("namespace",),
    "period": ("since", "until"),
    "indexes": ("first", "last"),
}
#: Entries of these types are about a workload: one that names none may be about any.
_ABOUT_WORKLOADS = frozenset(
    {
        EntryType.DECISION,
        EntryType.WAIVER_REQUESTED,
        EntryType.WAIVER_APPROVED,
        EntryType.WAIVER_GRANTED,
        EntryType.WAIVER_REVOKED,
        EntryType.WAIVER_USED,
        EntryType.EVIDENCE_APPROVED,
        EntryType.EVIDENCE_RECORDED,
        EntryType.EVIDENCE_REVOKED,
        EntryType.PROBE_ATTESTATION,
        EntryType.EVALUATION_REPORT,
        EntryType.ROLLOUT_DECIDED,
        EntryType.ACCESS_EVALUATED,
    }
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold covers. `since` <= recorded < `until`; `first` and `last` are indexes, both included."""

    kind: str
    namespace: str | None = None
    workload: str | None = None
    since: str | None = None
    until: str | None = None
    first: int | None = None
    last: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The scope as an entry holds it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold on record, by the entry at `index`; `released` is the index of the entry that released it."""

    id: str
    scope: Scope
    index: int
    placed_at: str
    reason: str = ""
    ticket: str | None = None
    readable: bool = True
    commitment: str | None = None
    released: int | None = None


@dataclass(frozen=True, slots=True)
class Matter:
    """What of an entry a hold's scope is compared with."""

    index: int
    type: str
    recorded_at: str
    namespace: str | None
    workload: str | None


def matter_of(index: int, entry: Entry) -> Matter:
    """Return what `entry` is about; a name that is not there, or is no text, is None."""
    namespace, workload = (
        entry.view.get(name) if entry.view.get(name) is not None else entry.context.get(name)
        for name in ("namespace", "workload")
    )
    texts = (value if isinstance(value, str) else None for value in (namespace, workload))
    return Matter(index, entry.type, entry.recorded_at, *texts)


def covers(hold: Hold, matter: Matter) -> bool:
    """Whether a hold covers an entry by its scope; one on a person covers by values that are held: see `holding`."""
    scope = hold.scope
    if scope.kind == "indexes":
        return (scope.first or 0) <= matter.index and (scope.last is None or matter.index <= scope.last)
    if scope.kind == "period":
        after = scope.since is None or scope.since <= matter.recorded_at
        return after and (scope.until is None or matter.recorded_at < scope.until)
    if scope.kind in ("namespace", "workload"):
        wanted = ((scope.namespace, matter.namespace), (scope.workload, matter.workload))
        return all(
            name is None or name == found or (found is None and matter.type in _ABOUT_WORKLOADS)
            for name, found in wanted
        )
    return scope.kind != SUBJECT


def check_scope(scope: Scope) -> Scope:
    """Return the scope with its times in UTC.

    Raises:
        LedgerError: members are missing, do not belong to the kind, or contradict one another.
    """
    given = {name for name in scope.body if name != "kind"}
    if scope.kind not in KINDS or not given <= set(KINDS[scope.kind]):
        raise _refused(f"a hold of the kind `{scope.kind}` does not have the members {', '.join(sorted(given))}")
    if scope.kind in ("namespace", "workload") and given != set(KINDS[scope.kind]):
        raise _refused(f"a hold of the kind `{scope.kind}` needs {' and '.join(KINDS[scope.kind])}")
    if scope.kind in ("period", "indexes") and not given:
        raise _refused(f"a hold of the kind `{scope.kind}` needs {' or '.join(KINDS[scope.kind])}")
    try:
        since, until = (instant(time) if time is not None else None for time in (scope.since, scope.until))
    except CanonicalError as error:
        raise _refused(error.message) from error
    if since is not None and until is not None and since >= until:
        raise _refused("the period of the hold ends before it begins")
    if scope.first is not None and (scope.first < 0 or (scope.last is not None and scope.last < scope.first)):
        raise _refused("the indexes of the hold are not a range")
    return replace(scope, since=since, until=until)


class Holds:
    """The holds that the entries read so far have placed and released, in their order."""

    def __init__(self) -> None:
        self._holds: list[Hold] = []

    def __iter__(self) -> Iterator[Hold]:
        return iter(self._holds)

    @property
    def active(self) -> list[Hold]:
        """The holds that nothing has released."""
        return [hold for hold in self._holds if hold.released is None]

    def find(self, identifier: str) -> list[Hold]:
        """Return the holds of this id, released or not."""
        return [hold for hold in self._holds if hold.id == identifier]

    def read(self, index: int, entry: Entry) -> None:
        """Apply the entry of the type `hold` at `index`."""
        body = entry.body
        if body.get("action") == "release" and isinstance(body.get("hold"), str):
            self._holds = [
                replace(hold, released=index) if hold.id == body["hold"] and hold.released is None else hold
                for hold in self._holds
            ]
            return
        self._holds.append(_placed(index, entry) or _unreadable(index, entry))


def _placed(index: int, entry: Entry) -> Hold | None:
    body, scope = entry.body, entry.body.get("scope")
    identifier, reason, ticket = body.get("hold"), body.get("reason"), body.get("ticket")
    if body.get("action") != "place" or not isinstance(identifier, str) or not HOLD_ID.fullmatch(identifier):
        return None
    if not isinstance(scope, dict) or not isinstance(reason, str) or not isinstance(ticket, str | None):
        return None
    found = _scope(scope)
    commitment = entry.commitments.get(SUBJECT)
    if found is None or (found.kind == SUBJECT) is (commitment is None):
        return None
    return Hold(identifier, found, index, entry.recorded_at, reason, ticket, commitment=commitment)


def _scope(value: Mapping[str, Any]) -> Scope | None:
    texts = ("kind", "namespace", "workload", "since", "until")
    fits = all(type(each) is (str if name in texts else int) for name, each in value.items())
    if not fits or "kind" not in value or value.keys() - {*texts, "first", "last"}:
        return None
    try:
        scope = Scope(**value)
        return scope if check_scope(scope) == scope else None
    except LedgerError:
        return None


def _unreadable(index: int, entry: Entry) -> Hold:
    return Hold(f"entry-{index}", Scope("all"), index, entry.recorded_at, readable=False)


def _refused(message: str) -> LedgerError:
    return LedgerError(message, code="hold-scope", help="`policy audit hold place --help` lists the scopes")
