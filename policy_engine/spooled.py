"""What a spooled decision's entry must say of its decision: derived again from its documents, and held to it.

INVARIANT: a spool comes from a runner that nobody vouches for. What is asked by (columns, tags, body, context) is what
the decision's own document says; whether that follows from rules and workload, a replay says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.differences import Difference, differences
from policy_engine.loading.retention import regulations_of
from policy_engine.model.decision import Decision
from policy_engine.recorder import PERSONS, PURPOSES, body_of, recordable, view_of
from policy_engine.tags import tag_differences
from policy_engine.waivers.on_record import used_drafts

if TYPE_CHECKING:
    from policy_audit.entry import Entry
    from policy_audit.spool_reading import Parcel

_TEXT = re.compile(r".{1,500}")
#: What the context of a decision says beside its purpose, run and workload, and how; nothing signed it on a runner.
_CONTEXT = {
    "actor_known_by": re.compile("asserted|ci"),
    **dict.fromkeys(("repository", "commit", "ref", "pull_request"), _TEXT),
    **dict.fromkeys(("baseline", "route"), re.compile(r"sha256:[0-9a-f]{64}")),
    "baseline_accepted": re.compile(r"[0-9]{1,12}"),
}
_NEEDED = ("decision", "workload", "rules", "layers", "catalog")


def check_spooled(parcel: Parcel) -> None:
    """Refuse a file whose entries say something else than its decision does.

    Raises:
        SpoolError: `spool-decision`: its documents are not those of a decision; `spool-view`: what an entry says of
            its decision does not follow from it.
    """
    try:
        decision = _decision(parcel)
        found = next(_differences(parcel, decision), None)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise _refused("spool-decision", f"its decision cannot be read: {type(error).__name__}") from error
    if found is not None:
        message = f"`{found.path}` says `{found.recorded!s:.80}`, and its decision `{found.replayed!s:.80}`"
        raise _refused("spool-view", message)


def _decision(parcel: Parcel) -> Decision:
    """Return the decision that the documents hold, without the workload's persons; its id is that of the bytes."""
    import orjson

    blobs = parcel.entry.blobs
    if lacking := [role for role in _NEEDED if role not in blobs]:
        raise _refused("spool-decision", f"its entry names no document `{lacking[0]}`")
    content = _content(parcel, "decision")
    document: Any = orjson.loads(content)
    decision = Decision(document, _content(parcel, "workload"), None, ())  # type: ignore[arg-type]
    if decision.content != content:
        raise _refused("spool-decision", "its decision is not in canonical form")
    if f"sha256:{decision.id}" != blobs["decision"] or parcel.decision_id != decision.id:
        raise _refused("spool-decision", "its decision has another id")
    return decision


def _differences(parcel: Parcel, decision: Decision) -> Iterator[Difference]:
    from policy_audit.spool_format import CONTEXT
    from policy_audit.view import check_view

    entry, document = parcel.entry, decision.document
    context = entry.context
    purpose, run = context.get("purpose"), context.get("run")
    expected = check_view("decision", view_of(decision, purpose, run))
    yield from differences(entry.view, expected, "view")
    yield from tag_differences(entry.tags, document, regulations_of(decision.workload_content), "tags")
    yield from differences(entry.body, body_of(decision), "body")
    named = {name: expected[name] for name in ("namespace", "workload")}
    known = {"purpose": purpose if purpose in PURPOSES else None, "run": parcel.call.run, **named}
    yield from differences({name: context.get(name) for name in known}, known, "context")
    yield from _beside({name: value for name, value in context.items() if name not in {*known, CONTEXT}}, entry)
    for name, value in parcel.call.document().items():
        if recordable(value) != value:
            yield Difference(f"context.{CONTEXT}.{name}", value, recordable(value))
    yield from differences(_digests(parcel), _named(document), "blobs")
    if strangers := entry.commitments.keys() - PERSONS:
        yield Difference("commitments", min(strangers), None)
    used = used_drafts(document, decision.id, {})
    yield from differences([each.entry.body for each in parcel.found[1:]], [draft.body for draft in used], "uses")
    for each in parcel.found[1:]:
        yield from differences(each.entry.context, context, "uses.context")
        if each.entry.commitments or each.entry.blobs:
            yield Difference("uses", "persons or documents", None)


def _beside(context: Mapping[str, Any], entry: Entry) -> Iterator[Difference]:
    """Yield what a context holds that no runner writes: it cannot be taken out of the entry again."""
    for name, value in context.items():
        form = _CONTEXT.get(name)
        if form is None or not isinstance(value, str) or not form.fullmatch(value) or recordable(value) != value:
            yield Difference(f"context.{name:.40}", str(value), None)
    if "actor_known_by" not in context:
        yield Difference("context.actor_known_by", None, "ci")


def _digests(parcel: Parcel) -> dict[str, str | None]:
    blobs = parcel.entry.blobs
    return {role: blobs.get(role) for role in ("workload", "rules", "catalog", "waivers", "proofs")}


def _named(document: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the digests of the documents as the decision itself names them."""
    waivers = document.get("waivers")
    return {
        "workload": document["workload"]["digest"],
        "rules": document["policy"]["digest"],
        "catalog": document["catalog"]["digest"],
        "waivers": waivers["digest"] if waivers is not None else None,
        "proofs": document.get("evidence_proofs"),
    }


def _content(parcel: Parcel, role: str) -> bytes:
    return parcel.blobs[parcel.entry.blobs[role]].content


def _refused(code: str, message: str) -> Exception:
    from policy_audit.errors import SpoolError

    return SpoolError(message, code=code)
