"""What a recorded decision says beside what came out when it was decided again: the document's bytes, and the entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.comparing import compare
from policy_engine.differences import Difference, differences
from policy_engine.errors import PolicyError
from policy_engine.model.decision import Decision
from policy_engine.recorded import read_json
from policy_engine.recorder import body_of, view_of
from policy_engine.tags import tag_differences


def follows(document: Mapping[str, Any], decision: Decision) -> bool:
    """Whether all that the entry says of its decision is what the decision says."""
    return next(_entry_differences(document, decision), None) is None


def _entry_differences(document: Mapping[str, Any], decision: Decision) -> Iterator[Difference]:
    """Yield what the entry says of its decision, in body, context and query columns, and what does not follow."""
    from policy_audit.entry import Blob
    from policy_audit.view import check_view

    body, context, recorded = document["body"], document["context"], document["view"]
    purpose, run = (value if isinstance(value := context.get(name), str) else None for name in ("purpose", "run"))
    expected = check_view("decision", view_of(decision, purpose, run))
    if "run" not in recorded:
        expected.pop("run", None)  # an entry of the ledger's first revision has no such column, and no tags
    yield from differences(recorded, expected, "entry.view")
    if "tags" in document:
        data = decision.workload.spec.data
        regulations = data.regulations if data is not None else None
        yield from tag_differences(document["tags"], decision.document, regulations, "entry.tags")
    said = body_of(decision)
    yield from differences({name: body.get(name) for name in said}, said, "entry.body")
    given = {"waivers": decision.waivers_content, "proofs": decision.proofs_content}
    digests = {role: Blob(content).digest if content is not None else None for role, content in given.items()}
    yield from differences({role: document["blobs"].get(role) for role in given}, digests, "entry.blobs")
    names = ("namespace", "workload")
    yield from differences(
        {name: context.get(name) for name in names}, {name: expected[name] for name in names}, "entry.context"
    )


def mismatches(
    document: Mapping[str, Any], recorded: bytes, workload: bytes, decision: Decision
) -> Iterator[Difference]:
    """Yield what differs between what is on record and what came out: document, workload, entry."""
    one, other = read_json(recorded), read_json(decision.content)
    found = False
    for each in differences(one, other):
        found = True
        yield each
    if not found and recorded != decision.content:
        yield Difference("the bytes", "not in canonical form", "the same values in canonical form")
    if workload != decision.workload_content:
        yield from differences(read_json(workload), read_json(decision.workload_content), "workload")
    yield from _entry_differences(document, decision)


def same_outcome(document: Mapping[str, Any], recorded: bytes, decision: Decision) -> bool:
    """Whether all that decides is the same, in the document and in what the entry says of it."""
    said = (document["view"].get("verdict"), document["body"].get("verdict"))
    try:
        return not compare(recorded, decision.content).changed and said == (decision.verdict, decision.verdict)
    except PolicyError:
        return False
