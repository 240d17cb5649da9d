"""Read what an approvers.yaml lets count that no ledger can be asked about: files of waivers, and baselines."""

from __future__ import annotations

import re
from typing import cast

from policy_engine.loading.reader import Reader
from policy_engine.model.approvers import ACCEPTS, Accepts

#: A ledger's name, as its checkpoints and the files of its waivers say it.
ORIGIN_PATTERN = r"^[^\s+]{1,253}$"
_ORIGIN = re.compile(ORIGIN_PATTERN)


def read_files_of(reader: Reader, before: tuple[str, ...], held: str | None) -> tuple[str, ...]:
    """Return the ledgers of which a waiver's file counts unasked: those of this file, else those `before`.

    Where something is `held`, a file can only take away.
    """
    if "files_of" not in reader.mapping("waivers"):
        return before
    inner = Reader(reader.document, reader.problems, ("waivers",))
    found = inner.texts("files_of")
    for place, origin in enumerate(found):
        if not _ORIGIN.fullmatch(origin):
            hint = "the name of a ledger, as the key `origin` of its waivers' files has it"
            inner.problem("bad-origin", "this is no name of a ledger", "files_of", place, help_=hint)
        elif held is not None and origin not in before:
            message = f"files of the ledger `{origin}` do not count, and a later layer may not let them: {held}"
            inner.problem("locked", message, "files_of", place)
    return tuple(dict.fromkeys(found))


def read_baseline(reader: Reader, before: Accepts, held: str | None) -> Accepts:
    """Return which findings a baseline may accept; where something is `held`, no more than `before`."""
    if "baseline" not in reader.value:
        return before
    inner = Reader(reader.document, reader.problems, ("baseline",))
    inner.only(("accepts",))
    chosen = inner.choice("accepts", ACCEPTS, required=isinstance(reader.value["baseline"], dict))
    if chosen is None:
        return before
    accepts = cast(Accepts, chosen)
    if held is not None and ACCEPTS.index(accepts) > ACCEPTS.index(before):
        message = f"`baseline.accepts` is {before}, and a later layer may not weaken it: {held}"
        inner.problem("locked", message, "accepts")
        return before
    return accepts
