"""Read `probes` and `revoked_entries` of an approvers.yaml: keys of hosts, and what counts no more."""

from __future__ import annotations

import re
from collections.abc import Sequence

from policy_engine.loading.origins import is_log_key
from policy_engine.loading.reader import Reader
from policy_engine.model.approvers import ApproverKey, PinnedProbe

PROBE_KEYS = ("host", "vkey", "valid_from", "valid_until", "revoked", "disabled")
LEAF_PATTERN = r"^[0-9a-f]{64}$"
_LEAF = re.compile(LEAF_PATTERN)
_HINT = "`policy waiver keygen` makes a key and prints its verifier key; `policy probe --key` signs by it"


def read_probes(
    reader: Reader, before: Sequence[PinnedProbe] | None, closed: str | None, not_for: tuple[str, ...]
) -> tuple[PinnedProbe, ...] | None:
    """Return the pinned keys with those of one file; None where no file pins any.

    INVARIANT: once keys are asked for, no later layer brings that to an end: where all are taken away, nothing counts.
    """
    found = {(each.host, each.key.text): each for each in before or ()}
    items = list(reader.items("probes"))
    if reader.value.get("probes") == []:
        hint = "leave it out where no signature is asked for"
        reader.problem("empty", "`probes` is empty", "probes", help_=hint)
    for item in items:
        item.only(PROBE_KEYS)
        host, text = item.text("host", required=True), item.text("vkey", required=True)
        since, until, revoked = (item.day(key) for key in ("valid_from", "valid_until", "revoked"))
        if host is None or text is None or not is_log_key(item, text, _HINT):
            continue
        if item.flag("disabled"):
            if found.pop((host, text), None) is None:
                item.problem("unknown-probe", f"there is no such key of a probe on `{host}` to disable", "vkey")
        elif closed is not None:
            message = f"{closed}, so no key of a probe may be added or replaced here"
            item.problem("locked", message, "vkey", help_="a later layer may take keys away with `disabled: true`")
        else:
            found[host, text] = PinnedProbe(host, ApproverKey(text, since, until, revoked), not_for)
    return tuple(found.values()) if items or before is not None else None


def read_revoked(reader: Reader, before: frozenset[str]) -> frozenset[str]:
    """Return the hashes of entries and waivers that count no more, with those of one file: none is taken back."""
    found = set(before)
    for place, text in enumerate(reader.texts("revoked_entries")):
        if _LEAF.fullmatch(text):
            found.add(text)
        else:
            hint = "64 hexadecimal digits, as `policy evidence revoke` prints it, or the whole id of a waiver"
            reader.problem(
                "bad-leaf",
                "not the leaf hash of an entry, nor the id of a waiver",
                "revoked_entries",
                place,
                help_=hint,
            )
    return frozenset(found)
