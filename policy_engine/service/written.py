"""A decision's document in bytes: what is recorded, and what whoever asked is answered, written once for all seconds.

    recorded  RFC 8785: {"apiVersion":...,"catalog":...,"decided_at":"...","engine":...,...}
    answered  {"apiVersion":...,"kind":...,"id":"...", the other members in the order of the record, "ledger":{...}}

The answer is the record read back, with the owner's name, the id and the place in the ledger: it can be given again
from the ledger, byte for byte. It leaves out the rules that did not fire, as `policy evaluate` does, or has all of the
record, from which the id can be computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from policy_audit.canonical import document_bytes

from policy_engine.asking.shown import trimmed

TIME = "decided_at"
_LEADING = ("apiVersion", "kind")


class Written:
    """A document without its second. INVARIANT: names of members are ASCII, so that their order is RFC 8785's.

    What is answered is written when it is first asked for: who asks as a gateway does never asks for it.
    """

    def __init__(self, document: Mapping[str, Any], owner: str | None) -> None:
        self._owner = owner
        members = {name: document_bytes(document[name]) for name in sorted(document)}
        self._before, self._after = _around_time(members)
        self._leading = b"".join(b'"%s":%s,' % (name.encode(), members[name]) for name in _LEADING)
        self._answers: dict[bool, tuple[bytes, bytes]] = {}

    @property
    def size(self) -> int:
        """The number of bytes of the document, about."""
        return len(self._before) + len(self._after)

    def content(self, time: str) -> bytes:
        """Return what is recorded of the decision made at `time`."""
        return b'{%s"%s"%s}' % (self._before, time.encode(), self._after)

    def write(self, *, all_rules: bool) -> None:
        """Write what is answered, unless that was done: it takes a while."""
        if all_rules not in self._answers:
            self._answers[all_rules] = self._around(orjson.loads(self.content("")), all_rules)

    def answer(self, time: str, name: str, ledger: Mapping[str, Any], *, all_rules: bool) -> bytes:
        """Return what is answered: the decision of the id `name`, at its place in the ledger."""
        self.write(all_rules=all_rules)
        before, after = self._answers[all_rules]
        return b'{%s"id":"%s",%s"%s"%s,"ledger":%s}' % (
            self._leading,
            name.encode(),
            before,
            time.encode(),
            after,
            orjson.dumps(ledger),
        )

    def _around(self, document: dict[str, Any], all_rules: bool) -> tuple[bytes, bytes]:
        """Return what stands around the time in the answer that a document is."""
        shown = {name: value for name, value in trimmed(document, all_rules).items() if name not in _LEADING}
        shown["workload"] = {**document["workload"], "owner": self._owner}
        return _around_time({name: document_bytes(shown[name]) for name in sorted(shown)})


def answer_on_record(
    content: bytes, owner: str | None, name: str, ledger: Mapping[str, Any], *, all_rules: bool
) -> bytes:
    """Return the answer that a recorded decision was; `owner` is None where the name was erased since."""
    document = orjson.loads(content)
    return Written(document, owner).answer(document[TIME], name, ledger, all_rules=all_rules)


def _around_time(members: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    """Return what stands before and after the value of the time, without the outer braces."""
    parts = {name: b'"%s":%s' % (name.encode(), value) for name, value in members.items()}
    names = list(parts)
    place = names.index(TIME)
    before = b"".join(parts[name] + b"," for name in names[:place]) + b'"%s":' % TIME.encode()
    return before, b"".join(b"," + parts[name] for name in names[place + 1 :])
