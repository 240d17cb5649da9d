"""`/ledger`: the signed checkpoint, its keys, what is on record by type, and where it was anchored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from policy_audit.entry import EntryType
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.requests import record_read, service_of
from policy_engine.console import links
from policy_engine.console.cells import Cell, Code, Link, Mark, Muted, Table, When, columns
from policy_engine.console.forms import Field
from policy_engine.console.routing import page_router
from policy_engine.console.templates import words
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.service.jobs import Job

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.snapshot import Snapshot

    from policy_engine.access.principal import Principal

router = page_router()
_LATEST, _ANCHORS, _RUNS = 20, 10, 5
KEY = Field("key", "Verifier key that you pinned", hint="Without one this server's own is taken, which finds less.")
KEPT = Field(
    "kept",
    "Checkpoint or receipt that you kept",
    "area",
    hint="Its text. A ledger that lost its end, or is an older copy, is found by one alone.",
    rows=8,
)


@router.get("/ledger")
async def ledger(request: Request) -> Response:
    """Show what the ledger is, and what is in it."""
    return await ledger_page(request, await principal_of_page(request, "read"), [KEY, KEPT])


async def ledger_page(request: Request, principal: Principal, fields: Sequence[Field], status: int = 200) -> Response:
    """Answer with the page of the ledger, and with what is wrong with the form that verifies it."""
    service = service_of(request)
    whole = principal.namespaces is None
    found = await service.read(partial(_read, whole=whole))
    await record_read(request, "ledger", len(found["latest"]))
    runs = await asyncio.to_thread(service.verifications.latest, _RUNS) if whole else []
    return await page(
        request,
        "ledger.html",
        "Ledger",
        status=status,
        whole=whole,
        head=found["head"],
        note=found["note"],
        key=found["key"],
        rotations=_rotations(found["rotations"]),
        restores=_restores(found["restores"]),
        types=_types(found["types"]),
        latest=_latest(found["latest"]),
        anchors=_anchors(found["anchors"]),
        runs=_runs(runs),
        public=service.settings.public_log,
        fields=fields,
    )


def _read(ledger: Ledger, whole: bool) -> dict[str, Any]:
    from policy_audit.snapshot import open_snapshot

    with open_snapshot(ledger) as snapshot:
        rotations = list(snapshot.entries([EntryType.KEY_ROTATION]))
        restores = list(snapshot.entries([EntryType.RESTORE]))
        head: list[tuple[str, Cell]] = [
            ("Log", Code(snapshot.checkpoint.origin)),
            ("Entries", snapshot.size),
            ("Root", Code(snapshot.checkpoint.root.hex())),
            ("Last entry", When(next(snapshot.entries(limit=1)).recorded_at) if snapshot.size else Muted("none yet")),
            ("Epoch", f"{len(restores) + 1}: it begins anew with each restore of an older copy"),
        ]
        return {
            "head": head,
            "note": snapshot.note,
            "key": ledger.verifier_key,
            "rotations": rotations,
            "restores": restores,
            "types": _counted(snapshot) if whole else [],
            "latest": list(snapshot.entries(limit=_LATEST)) if whole else [],
            "anchors": list(snapshot.entries([EntryType.ANCHOR], limit=_ANCHORS)),
        }


def _counted(snapshot: Snapshot) -> list[tuple[str, int]]:
    counted = [(each.value, snapshot.count_entries([each])) for each in EntryType]
    return sorted([pair for pair in counted if pair[1]], key=lambda pair: (-pair[1], pair[0]))


def _types(found: list[tuple[str, int]]) -> Table:
    rows = [(words(name.replace("-", "_")).capitalize(), Code(name), count) for name, count in found]
    return Table("Entries by type", columns("~Entries", "Type", ">Count"), rows, "There are none.", hidden_caption=True)


def _latest(found: list[Any]) -> Table:
    rows = [
        (
            links.entry(each.index) if each.type == EntryType.DECISION else str(each.index),
            When(each.recorded_at),
            words(each.type.replace("-", "_")),
            Code(each.leaf_hash, 16),
        )
        for each in found
    ]
    heads = columns("Entry", "Recorded", "~Type", "Leaf hash")
    return Table("Latest entries", heads, rows, "Nothing is on record yet.", hidden_caption=True)


def _anchors(found: list[Any]) -> Table:
    rows = [
        (
            str(each.index),
            When(each.recorded_at),
            str(body.get("place", "")),
            body.get("size"),
            Mark("held", "good") if "receipt" in body else Mark(str(body.get("result", "")), "bad"),
        )
        for each in found
        for body in (each.document["body"],)
    ]
    heads = columns("Entry", "Recorded", "~Place", ">Size", "Result")
    empty = "Its checkpoint was never put elsewhere: policy audit anchor puts it where this server cannot take it back."
    return Table("Each anchor", heads, rows, empty, hidden_caption=True)


def _rotations(found: list[Any]) -> Table:
    rows = [
        (str(each.index), When(each.recorded_at), Code(str(body.get("new", ""))), body.get("reason"))
        for each in found
        for body in (each.document["body"],)
    ]
    heads = columns("Entry", "Recorded", "~New key", "Reason")
    return Table("Keys that followed", heads, rows, "The key was never rotated.", hidden_caption=True)


def _restores(found: list[Any]) -> Table:
    rows = [
        (str(each.index), When(each.recorded_at), str(body.get("from", "")), body.get("reason"))
        for each in found
        for body in (each.document["body"],)
    ]
    heads = columns("Entry", "Recorded", "~From", "Reason")
    return Table("Restores", heads, rows, "It was never restored from an older copy.", hidden_caption=True)


def _runs(found: list[Job]) -> Table:
    rows = [
        (
            Link(job.id[:8], url("/ledger/verifications", job.id), code=True),
            run_mark(job),
            When(datetime.fromtimestamp(int(job.created_at), UTC).isoformat().replace("+00:00", "Z")),
            job.owner,
            f"{job.done:,} of {job.total:,}",
        )
        for job in found
    ]
    heads = columns("Verification", "~Result", "Begun", "Asked for by", "Done")
    return Table("Verifications", heads, rows, "None was asked for within a day.", hidden_caption=True)


def run_mark(job: Job) -> Mark:
    """Return how a verification stands."""
    if job.state == "done":
        return Mark("verified", "good") if (job.result or {}).get("ok") else Mark("not verified", "bad")
    return Mark("broke off", "bad") if job.state == "failed" else Mark("under way", "info")
