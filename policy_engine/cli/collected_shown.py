"""What a collection came to, as documents and as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.cli.sections import Section

if TYPE_CHECKING:
    from policy_engine.collecting import Collected


def shown(found: Collected) -> dict[str, Any]:
    """Return the JSON value of a collection: each decision with its index, and all that is not there."""
    return {
        "kind": "Collection",
        "ok": found.whole,
        "added": sum(not place.already for place in found.placed),
        "already": sum(place.already and not place.is_copy for place in found.placed),
        "copies": sum(place.is_copy for place in found.placed),
        "entries": found.entries,
        "decisions": [
            {
                "id": place.lot.decision_id,
                "index": place.index,
                "already": place.already,
                "copy": place.is_copy,
                "leaf_hash": place.lot.leaf.hex(),
                "recorded_at": place.lot.recorded_at,
                **place.lot.call.document(),
                "n": place.lot.n,
                "of": place.lot.of,
                "file": str(place.lot.path),
                "receipt": None,
            }
            for place in found.placed
        ],
        "refused": [{"file": str(each.path), "code": each.code, "reason": each.reason} for each in found.refused],
        "lacking": [each.document() for each in found.lacking],
        "missing": found.missing,
        "unfinished": [str(path) for path in found.looked.unfinished],
        "revoked": [each.document() for each in found.revoked],
        "removed": 0,
        "anchoring": None,
    }


def sections(value: Mapping[str, Any]) -> list[Section]:
    """Return what people read: what is wrong first, then the sum."""
    found = [
        Section("Refused", header=("=File", "~Why"), rows=[(each["file"], _why(each)) for each in value["refused"]]),
        Section("Lacking", lines=[_lacking(each) for each in value["lacking"]]),
        Section("Neither spooled nor on record", lines=value["missing"]),
        Section("Broken off, and never shown", lines=value["unfinished"]),
        Section("Counted what was revoked", lines=[_revoked(each) for each in value["revoked"]]),
    ]
    copies = f", {value['copies']:,} handed in more than once" if value["copies"] else ""
    pairs = [
        ("Decisions", f"{value['added']:,} added, {value['already']:,} already on record{copies}"),
        ("Entries", _entries(value)),
    ]
    if value["removed"]:
        pairs.append(("Removed", f"{value['removed']:,} files"))
    if value["anchoring"] is not None:
        places = value["anchoring"]["places"]
        held = sum(each["result"] == "held" for each in places)
        pairs.append(("Anchored", f"{held} of {len(places)} places hold the checkpoint"))
    verdict = "COLLECTED" if value["ok"] else "INCOMPLETE"
    words = "all that was handed in is on record" if value["ok"] else "see above; everything else is on record"
    return [*(each for each in found if each.rows or each.lines), Section(pairs=[*pairs, (verdict, words)])]


def _why(refused: Mapping[str, Any]) -> str:
    return f"{refused['reason']} [{refused['code']}]"


def _lacking(each: Mapping[str, Any]) -> str:
    told = ", ".join(map(str, each["missing"]))
    more = each["count"] - len(each["missing"])
    run = f"run {each['run']}, " if each["run"] is not None else "run unknown, "
    return f"{run}call {each['call']}: {told}{f' and {more:,} more' if more else ''} of {each['of']:,}"


def _revoked(each: Mapping[str, Any]) -> str:
    what = each["evidence"] if each["waiver"] is None else f"waiver {each['waiver'][:16]}"
    return f"{each['decision_id'][:16]}, entry {each['index']}: {what}, revoked by entry {each['revoked_index']}"


def _entries(value: Mapping[str, Any]) -> str:
    if not value["entries"]:
        return "none added"
    named = ", ".join(map(str, value["entries"]))
    return f"{named} {'says' if len(value['entries']) == 1 else 'say'} so"
