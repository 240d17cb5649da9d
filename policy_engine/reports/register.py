"""The waiver register as a report: active, expiring, used out of time, approved by whoever asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.reports.asking import AS_RECORDED, Asked
from policy_engine.reports.report import Cell, Column, Report
from policy_engine.waivers.on_record import DISPOSED
from policy_engine.waivers.register import EXPIRING_DAYS, reports, waiver_register

if TYPE_CHECKING:
    from policy_audit.errors import AuditError

    from policy_engine.model.approvers import Approvers
    from policy_engine.waivers.on_record import Record

_COLUMNS = (
    Column("waiver"),
    Column("status"),
    Column("expiring", "flag"),
    Column("rule"),
    Column("namespace"),
    Column("workload"),
    Column("option"),
    Column("task"),
    Column("valid_from"),
    Column("valid_until"),
    Column("reason"),
    Column("ticket"),
    Column("requester", personal=True),
    Column("approvers", "list", personal=True),
    Column("self_approved"),
    Column("signatures"),
    Column("requested_entry", "entry"),
    Column("granted_entry", "entry"),
    Column("granted_at", "time"),
    Column("revoked_entry", "entry"),
    Column("uses", "count"),
    Column("last_use_entry", "entry"),
    Column("used_out_of_time", "count"),
    Column("decision", "digest"),
)
#: Of a grant that names another requester than its approvers signed.
MISNAMED = "requester is not the signed one"
_UNVERIFIED = (
    "The signatures were not verified: --policy names the layers whose approvers.yaml says who may sign. Where they "
    "were, `signatures` says so, or why they do not count."
)


def waivers(asked: Asked) -> Report:
    """Return the register as of a time: every waiver that was asked for, granted or not."""
    approvers, within = _approvers(asked), int(asked.given.get("within") or EXPIRING_DAYS)
    spoilt: list[tuple[Record, AuditError]] = []
    rows = waiver_register(asked.source, asked.at, approvers, lambda *each: spoilt.append(each))
    found = reports(rows, within)
    soon = {row["id"] for row in found["expiring"]}
    disposed = sum(error.code == DISPOSED for _, error in spoilt)
    cells = [_row(asked, row, row["id"] in soon) for row in rows]
    return asked.answer(
        f"waivers asked for and granted, as they stand {asked.when}",
        "waivers",
        _COLUMNS,
        [*cells, *(_unreadable(record, error) for record, error in spoilt)],
        summary=(
            ("active", len(found["active"])),
            ("used by their files, and granted by nobody here", len(found["by_file"])),
            ("expiring", len(found["expiring"])),
            ("used out of time", len(found["used_out_of_time"])),
            ("self-approved", len(found["self_approved"])),
            ("granted to whom cannot be told, or to another than was signed", len(found["requester_untold"])),
            ("entries that hold no waiver, or use none on record", len(spoilt) - disposed),
            ("entries of waivers that were disposed of", disposed),
        ),
        remarks=(
            f"`expiring`: active, and ends within {within} days. `used_out_of_time`: before it was granted, after its "
            "last day, or after it was taken back; where a use was collected from a spool, by its runner's clock.",
            *(() if approvers is not None else (_UNVERIFIED,)),
            "Persons are compared as recorded: one person under two names is not seen.",
            AS_RECORDED,
        ),
    )


def _approvers(asked: Asked) -> Approvers | None:
    known: Approvers | None = asked.given.get("approvers")
    layers = asked.given.get("layers")
    if known is not None or not layers:
        return known
    from policy_engine.loading.policy import load_policy

    return load_policy(list(layers)).approvers


def _row(asked: Asked, row: Mapping[str, Any], expiring: bool) -> tuple[Cell, ...]:
    places = (row["granted_index"], row["requested_index"], row["by_file_index"])
    index = next(each for each in places if each is not None)
    people = asked.persons.of(asked.snapshot.entry(index))
    asker = people
    if row["requested_index"] is not None:  # what was signed opens there, whatever a grant says
        asker = asked.persons.of(asked.snapshot.entry(row["requested_index"]))
    plain = ("rule", "namespace", "workload", "option", "task", "valid_from", "valid_until", "reason", "ticket")
    return (
        row["id"],
        row["status"],
        expiring,
        *(row[name] for name in plain),
        asker.get("requester"),
        tuple(value for name, value in people.items() if name.startswith("approver")),
        _self_approved(row),
        row["signatures"],
        row["requested_index"],
        row["granted_index"],
        row["granted_at"],
        row["revoked_index"],
        len(row["uses"]),
        row["uses"][-1]["index"] if row["uses"] else None,
        len(row["used_out_of_time"]),
        row["decision"],
    )


def _self_approved(row: Mapping[str, Any]) -> str | None:
    if row["granted_index"] is None:
        return None
    if row["self_approved"] or row["same_actor"]:
        return "same person"
    if row["requester_as_signed"] is False:
        return MISNAMED
    return "cannot be told" if row["self_approved"] is None else "kept apart"


def _unreadable(record: Record, error: AuditError) -> tuple[Cell, ...]:
    granted = "approvals" in record.body or "waiver" in record.blobs
    place = "granted_entry" if granted else "last_use_entry" if "decided_at" in record.body else "requested_entry"
    status = "disposed of" if error.code == DISPOSED else "unreadable"
    found: dict[str, Cell] = {"status": status, "reason": error.message, place: record.index}
    empty: dict[str, Cell] = {"expiring": False, "approvers": (), "uses": 0, "used_out_of_time": 0}
    return tuple(found.get(column.name, empty.get(column.name)) for column in _COLUMNS)
