"""`/tokens`: the tokens on record, to be read; they are made and revoked by `policy token`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.tokens import Tokens
from policy_engine.access.told import token_row
from policy_engine.api.requests import record_read, service_of
from policy_engine.console.cells import Cell, Code, Lines, Mark, Muted, Table, When, columns
from policy_engine.console.routing import page_router
from policy_engine.console.visiting import page, principal_of_page
from policy_engine.service.ground import now

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

router = page_router()
_MOST_ROWS = 500
_TONES = {"active": "good", "expired": "plain", "revoked": "bad", "nobody": "warn"}


@router.get("/tokens")
async def tokens(request: Request) -> Response:
    """Show the tokens that the administrator reaches."""
    principal = await principal_of_page(request, "administer")

    def read(ledger: Ledger) -> list[dict[str, Any]]:
        at, reach = now(), principal.namespaces
        found = Tokens.read(ledger).all()
        return [
            token_row(each, at, None)
            for each in found
            if reach is None or (each.namespaces is not None and each.namespaces <= reach)
        ]

    rows = await service_of(request).read(read)
    await record_read(request, "token list", len(rows))
    return await page(request, "tokens.html", "Tokens", table=_table(rows), count=len(rows))


def _table(rows: list[dict[str, Any]]) -> Table:
    shown = [
        (
            Code(row["id"]),
            Mark(row["status"], _TONES[row["status"]]),
            row["subject"] if row["subject"] is not None else Muted("erased, or no key to read it"),
            Lines(tuple(row["roles"])),
            Muted("all") if row["namespaces"] is None else Lines(tuple(row["namespaces"])),
            When(row["made_at"], date=True),
            When(row["expires_at"], date=True),
            _revoked(row),
        )
        for row in list(reversed(rows))[:_MOST_ROWS]
    ]
    heads = columns("Token", "State", "~Subject", "Roles", "Namespaces", "Made", "Ends", "Revoked")
    empty = "No token is on record: everybody on this machine is let in. Make one with policy token create."
    return Table("Tokens", heads, shown, empty, hidden_caption=True)


def _revoked(row: Mapping[str, Any]) -> Cell:
    found = row["revoked"]
    return None if found is None else Lines((When(found["at"], date=True), found["reason"]))
