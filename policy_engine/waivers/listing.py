"""The register of waivers as it is listed: which rows are wanted, and which one an id names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from policy_engine.errors import InputError, Problem
from policy_engine.waivers.uses import told_late

MIN_PREFIX = 4
#: What can be asked for, the default first.
WANTED = ("active", "expired", "revoked", "all")
_HEX = re.compile(r"[0-9a-f]+")


def waiver_list(
    rows: Sequence[Mapping[str, Any]], wanted: str, expiring: int | None, at: datetime, *, verified: bool
) -> dict[str, Any]:
    """Return the rows that are `wanted`, those that end within `expiring` days where that is given."""
    from policy_audit.view import instant

    return {
        "kind": "WaiverList",
        "at": instant(at),
        "waivers": [row for row in rows if _fits(row, wanted, expiring)],
        # of all: one that was taken back is not listed, and its late uses are what there is to look into
        "used_out_of_time": [_late(row) for row in rows if row["used_out_of_time"]],
        "verified": verified,
    }


def _fits(row: Mapping[str, Any], wanted: str, expiring: int | None) -> bool:
    status = "active" if row["status"] == "file" else row["status"]
    if wanted not in ("all", status):
        return False
    return expiring is None or (status == "active" and row["days_left"] <= expiring)


def is_uncounted(row: Mapping[str, Any]) -> bool:
    """Whether a waiver of this ledger lifts nothing, since its signatures do not count under the policy at hand."""
    return row["signatures"] not in (None, "verified") and not row["elsewhere"]


def _late(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "waiver": row["id"],
        "status": row["status"],
        "entries": [use["index"] for use in row["used_out_of_time"]],
        "told": told_late(row),
    }


def find_row(rows: Sequence[Mapping[str, Any]], identifier: str) -> dict[str, Any]:
    """Return the waiver with this id, or with the only id that begins so.

    Raises:
        InputError: there is none, or there are several.
    """
    wanted = identifier.strip().lower()
    found = [row for row in rows if row["id"].startswith(wanted)]
    if len(wanted) < MIN_PREFIX or not _HEX.fullmatch(wanted) or not found:
        hint = f"`policy waiver list --all` shows them; give at least {MIN_PREFIX} characters"
        raise InputError(Problem("waiver-missing", f"the ledger has no waiver `{identifier}`", help=hint))
    if len(found) > 1:
        some = ", ".join(f"`{row['id'][:16]}`" for row in found[:3])
        message = f"several waivers begin with `{identifier}`"
        raise InputError(Problem("waiver-ambiguous", message, help=f"among them {some}"))
    return dict(found[0])
