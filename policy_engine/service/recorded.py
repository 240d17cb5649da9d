"""What is on record, as API and console show it: the documents of `policy audit list`, `explain` and `prove`.

All functions block, and are asked through `Service.read`. `reach` are the namespaces of whoever asks, None for all:
what lies outside is as if it were not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from policy_engine.decide import parse_time
from policy_engine.errors import InputError, PolicyError, Problem, UsageError
from policy_engine.recorder import recordable
from policy_engine.service import cursors
from policy_engine.service.errors import NotFoundError
from policy_engine.service.ground import now
from policy_engine.wording import printable

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry
    from policy_audit.records import StoredDecision
    from policy_audit.snapshot import Snapshot

    from policy_engine.access.principal import Principal

MOST = 500
Reach = Collection[str] | None
_INDEX = re.compile(r"\d{1,18}", re.ASCII)
_ID = re.compile(r"(sha256:)?[0-9a-f]{8,64}", re.ASCII)
_OPTION = re.compile(r"--([a-z][a-z-]*)")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SEEN = 80
#: So many decisions on a workload are looked through for one that was recorded several times.
_MOST_SAME = 200


def decisions(ledger: Ledger, reach: Reach, asked: Mapping[str, Any], *, counted: bool = False) -> dict[str, Any]:
    """Return a page of decisions, or their count, as `policy audit list -o json` has them; `next` is a cursor.

    `asked` has the filters (`asking.decision_query`), `as_of`, `limit`, `oldest_first`, `cursor` and `count`. All pages
    of one question are of the tree that the first one was read of, whatever is appended meanwhile. With `counted` the
    query columns have to have as many decisions as there are entries of decisions.

    Raises:
        UsageError: a filter, or the cursor, is wrong.
        LedgerError, VerificationFailedError: the ledger cannot be read, or is not what it should be.
    """
    from policy_audit.errors import LedgerError
    from policy_audit.snapshot import open_snapshot

    from policy_engine.asking.listing import listed

    at = cursors.read(asked["cursor"], asked) if asked.get("cursor") else None
    moment = _moment(at.asked_at) if at else now()
    wanted = {**asked, "namespaces": None if reach is None else frozenset(reach)}
    wanted["verdicts"] = asked.get("verdict") or ()
    if wanted.get("expired") and wanted.get("at") is None:
        wanted["at"] = moment  # else what has expired would move on from page to page
    newest = not asked.get("oldest_first")
    page = {"limit": asked.get("limit") or 50, "newest": newest, "start": at.start if at else None}
    size, as_of = (at.size, None) if at else (None, asked.get("as_of"))
    try:
        with open_snapshot(ledger, as_of=as_of, size=size) as snapshot:
            if counted:
                snapshot.check_count()
            found = listed(snapshot, "decision", wanted, page, counting=bool(asked.get("count")), as_of=as_of)
            covered = snapshot.size
    except LedgerError as error:
        if at is None or error.code != "checkpoint-missing":
            raise
        raise UsageError(Problem("cursor", "the cursor is of a tree that this ledger never had")) from None
    except (InputError, UsageError) as error:
        raise as_parameters(error) from error
    if found.get("next") is not None:
        found["next"] = cursors.written(cursors.Cursor(found["next"], covered, _text(moment)), asked)
    return found


def seen_entry(ledger: Ledger, target: str, principal: Principal) -> StoredEntry:
    """Return the entry of a decision as `decision_entry` does; who may not read has what they had decided alone.

    Raises:
        NotFoundError: there is none, or not for the principal.
        UsageError: several decisions begin so.
    """
    if "read" in principal.roles:
        return decision_entry(ledger, target, principal.namespaces)
    try:
        entry = decision_entry(ledger, target, principal.namespaces)
    except UsageError:
        _refuse(target)  # that there are others is not theirs to know
    if not _had_it_decided(ledger, entry, principal):
        own = (each for each in _same(ledger, entry) if _had_it_decided(ledger, each, principal))
        return next(own, None) or _refuse(target)
    return entry


def _had_it_decided(ledger: Ledger, entry: StoredEntry, principal: Principal) -> bool:
    context = entry.document["context"]
    if principal.token is not None and context.get("token") == principal.token:
        return True
    actor = ledger.personal(entry.index).get("actor") if context.get("actor_known_by") == principal.known_by else None
    return actor is not None and actor == recordable(principal.subject)


def _same(ledger: Ledger, entry: StoredEntry) -> Iterator[StoredEntry]:
    """Yield the entries of one decision: who asks for the same within a second has the same, each in an entry."""
    from policy_audit.ledger import DecisionFilter

    view = entry.document["view"]
    which = DecisionFilter(namespace=view["namespace"], workload=view["workload"])
    for row in ledger.list_decisions(which, limit=_MOST_SAME):
        if row.decision_id == view["decision_id"]:
            yield ledger.entry(row.index)


def other_entries(ledger: Ledger, entry: StoredEntry) -> list[int]:
    """Return the indexes of the other entries of a decision, of the last ones on its workload, the newest first."""
    return [each.index for each in _same(ledger, entry) if each.index != entry.index]


def decision_entry(ledger: Ledger, target: str, reach: Reach) -> StoredEntry:
    """Return the entry of a decision: by its id, 8 digits or more of it, or the entry's index.

    Raises:
        NotFoundError: there is none, or it is outside of `reach`.
        UsageError: several decisions begin so.
    """
    from policy_engine.asking.entries import find_entry

    wanted = target.strip().lower()
    if not _INDEX.fullmatch(wanted) and not _ID.fullmatch(wanted):
        _refuse(target)
    try:
        entry = find_entry(ledger, wanted, reach)
    except InputError as error:
        if error.code == "decision-ambiguous":
            raise UsageError(error.problems) from error
        _refuse(target)
    view = entry.document.get("view", {})
    if "decision_id" not in view or (reach is not None and view.get("namespace") not in reach):
        _refuse(target)
    return entry


def decision(ledger: Ledger, target: str, principal: Principal, *, all_rules: bool = False) -> dict[str, Any]:
    """Return a recorded decision as `policy explain -o json` has it, held to the bytes that its entry names.

    Who may not read is shown no personal values. With `all_rules` the rules that did not fire are not left out.

    Raises:
        as `seen_entry`; VerificationFailedError: the document is not the one that was recorded.
    """
    from policy_engine.asking.shown import decision_shown, trimmed

    entry = seen_entry(ledger, target, principal)
    document = trimmed(decision_shown(ledger, entry), all_rules)
    if "read" in principal.roles:
        return document
    workload = {name: value for name, value in document["workload"].items() if name != "owner"}
    return {**document, "workload": workload, "personal": {}}


def receipt(ledger: Ledger, target: str, principal: Principal) -> str:
    """Return the proof (C2SP tlog-proof) that a decision's entry is in the log, as `policy audit prove` writes it.

    Raises:
        as `seen_entry`.
    """
    return ledger.receipt(seen_entry(ledger, target, principal).index)


def workloads(
    ledger: Ledger,
    reach: Reach,
    namespace: str | None = None,
    fits: Callable[[StoredDecision], bool] | None = None,
    part: slice = slice(None),
) -> dict[str, Any]:
    """Return the last decision on each workload, in the order of their names, and how many there are.

    `fits` leaves out those that it is false for; `part` are those of the rest that are listed.

    Raises:
        VerificationError: what is shown is not what the entries' bytes say.
    """
    from policy_audit.snapshot import open_snapshot

    from policy_engine.asking.listing import bound, rows_shown

    with open_snapshot(ledger) as snapshot:
        rows = [row for row in snapshot.latest(namespace=namespace) if reach is None or row.namespace in reach]
        rows = [row for row in rows if fits is None or fits(row)]
        found = rows_shown(snapshot, snapshot.checked(rows[part]))
        return {"kind": "WorkloadList", "workloads": found, "count": len(rows), "checkpoint": bound(snapshot)}


def standing(
    ledger: Ledger, reach: Reach, asked: Mapping[str, Any], fits: Callable[[StoredDecision], bool], limit: int
) -> dict[str, Any]:
    """Return the decision that counts for each workload, page by page, as `workloads` does the last one.

    The last one for deploying counts, else the last one; `later` has a last one that does not count, or is None. All
    pages are of the tree that the first one was read of: a workload that is decided anew meanwhile is not lost.

    Raises:
        UsageError: the cursor is wrong.
        VerificationError: what is shown is not what the entries' bytes say.
    """
    from policy_engine.asking.listing import bound, rows_shown
    from policy_engine.reports import workloads as reports

    at = cursors.read(asked["cursor"], asked) if asked.get("cursor") else None
    start, moment = (at.start, at.asked_at) if at is not None else (0, _text(now()))
    with _of_size(ledger, at.size if at is not None else None) as snapshot:
        snapshot.check_count()
        named = reports.standing(snapshot, asked.get("namespace"))
        pairs = [pair for pair in named if (reach is None or pair[0].namespace in reach) and fits(pair[0])]
        shown = pairs[start : start + limit]
        found = rows_shown(snapshot, snapshot.checked([counts for counts, _ in shown]))
        later = [last for counts, last in shown if last.index != counts.index]
        others = {each["index"]: each for each in rows_shown(snapshot, snapshot.checked(later))}
        rows = [{**row, "later": others.get(last.index)} for row, (_, last) in zip(found, shown, strict=True)]
        more = start + limit < len(pairs)
        following = cursors.Cursor(start + limit, snapshot.size, moment)
        return {
            "workloads": rows,
            "count": len(pairs),
            "start": start,
            "next": cursors.written(following, asked) if more else None,
            "checkpoint": bound(snapshot),
        }


@contextmanager
def _of_size(ledger: Ledger, size: int | None) -> Iterator[Snapshot]:
    """Read the ledger as it is now, or the tree of a cursor.

    Raises:
        UsageError: the ledger never had such a tree.
    """
    from policy_audit.errors import LedgerError
    from policy_audit.snapshot import open_snapshot

    try:
        with open_snapshot(ledger, size=size) as snapshot:
            yield snapshot
    except LedgerError as error:
        if size is None or error.code != "checkpoint-missing":
            raise
        raise UsageError(Problem("cursor", "the cursor is of a tree that this ledger never had")) from None


def standing_of(ledger: Ledger, namespace: str, name: str) -> dict[str, Any] | None:
    """Return what `standing` has of one workload; None where nothing was decided on it."""
    from policy_audit.snapshot import open_snapshot

    from policy_engine.asking.listing import rows_shown
    from policy_engine.reports import workloads as reports

    with open_snapshot(ledger) as snapshot:
        pairs = reports.standing(snapshot, namespace, name)
        once = list({each.index: each for pair in pairs for each in pair}.values())
        shown = {row["index"]: row for row in rows_shown(snapshot, snapshot.checked(once))}
        return next(
            ({**shown[a.index], "later": shown[b.index] if a.index != b.index else None} for a, b in pairs), None
        )


def steps(ledger: Ledger, reach: Reach, namespace: str, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `history` does, with for each decision in `changes` what is otherwise than in the one before it.

    None in place of changes says that there was none before.
    """
    from policy_audit.records import DecisionQuery
    from policy_audit.snapshot import open_snapshot

    from policy_engine.asking.person_changes import changed_persons
    from policy_engine.asking.persons import personal_values
    from policy_engine.reports.flipped import changes, side_of

    found = history(ledger, reach, namespace, name, asked)
    rows = found["decisions"]
    query = DecisionQuery(namespace=namespace, workload=name)
    with open_snapshot(ledger) as snapshot:
        indexes = [row["index"] for row in rows]
        made = {each.row.index: each for each in snapshot.checked(list(snapshot.decision_rows(indexes)))}
        shown = [made[index] for index in indexes]
        earlier = snapshot.select(query).page(1, start=indexes[-1] - 1).decisions if rows else ()
        before = [*shown[1:], *(earlier or (None,))]
        sides = {each.row.index: side_of(snapshot, each) for each in [*shown, *earlier]}
        erased = cache(snapshot.erased)
        persons = {each.row.index: personal_values(snapshot, each.stored, erased) for each in [*shown, *earlier]}
    found["changes"] = [
        [
            *changes(sides[old.row.index], sides[new.row.index]),
            *changed_persons(persons[old.row.index], persons[new.row.index]),
        ]
        if old is not None
        else None
        for new, old in zip(shown, before, strict=False)
    ]
    return found


def history(ledger: Ledger, reach: Reach, namespace: str, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the decisions on a workload, page by page, as `decisions` does.

    Raises:
        NotFoundError: there is none, or not within `reach`.
    """
    # no name on record has control characters, and a database may refuse to look for one
    if (reach is not None and namespace not in reach) or _CONTROL.search(namespace + name):
        _refuse_workload(namespace, name)
    found = decisions(ledger, reach, {**asked, "namespace": namespace, "name": name})
    if not found.get("decisions") and not found.get("count") and not asked.get("cursor"):
        _refuse_workload(namespace, name)
    return found


def _refuse(target: str) -> NoReturn:
    message = f"there is no decision `{printable(target[:_SEEN])}`, or not for you"
    hint = "give its id, 8 digits or more of it, or its index; `GET /v1/decisions` lists them"
    raise NotFoundError(Problem("decision-missing", message, help=hint))


def _refuse_workload(namespace: str, name: str) -> NoReturn:
    message = f"there is no decision on a workload `{printable(f'{namespace}/{name}'[:_SEEN])}`, or not for you"
    raise NotFoundError(Problem("workload-missing", message, help="`GET /v1/workloads` lists them"))


def as_parameters(error: PolicyError) -> UsageError:
    """Return an error of the command's options as one of the parameters that have their names."""

    return UsageError(in_parameters(error.problems))


def in_parameters(problems: Sequence[Problem]) -> list[Problem]:
    """Return problems with the command's options by the names of parameters."""

    def named(text: str | None) -> str | None:
        return None if text is None else _OPTION.sub(lambda found: found.group(1).replace("-", "_"), text)

    return [Problem(each.code, str(named(each.message)), each.span, named(each.help)) for each in problems]


def _moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        raise UsageError(Problem("cursor", "the cursor is none that this server gave")) from None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
