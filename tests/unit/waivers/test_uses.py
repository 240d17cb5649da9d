"""What is read of a waiver out of a decision's document that came from a runner, which nobody vouches for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.collected import CollectedSpan, CollectedSpans
from policy_audit.errors import VerificationError

from policy_engine.model.waiver import Waiver, waivers_content
from policy_engine.waivers.checking import Candidate, active_waivers
from policy_engine.waivers.on_record import Record
from policy_engine.waivers.uses import Granted, in_decision, uses_of
from tests.unit.waivers.making import ANN, AT, WORKLOAD, approvers, signed, statement


def told(**changed: Any) -> Waiver:
    made = statement()
    candidate = Candidate(signed(made, ANN), AT, origin=made.origin, source="file-unasked")
    (found,) = active_waivers([candidate], WORKLOAD, AT, approvers(ANN.approver()), AT)
    return replace(found, **changed)


def read(content: bytes) -> Any:
    entry = SimpleNamespace(index=7, document={"blobs": {"waivers": "sha256:x"}})
    ledger: Any = SimpleNamespace(entry=lambda index: entry, blob=lambda digest: content)
    return in_decision(ledger, 7, statement().id)


def test_the_waiver_of_a_decision_is_read_out_of_its_document() -> None:
    found = read(waivers_content([told()]))
    assert (found.entry, found.statement, found.grounds.note) == (7, statement(), signed(statement(), ANN))


@pytest.mark.parametrize("name", ["id", "statement", "note"])
def test_what_goes_by_the_id_of_another_is_none(name: str) -> None:
    other = statement(reason="another")
    grounds = told().grounds
    assert grounds is not None
    changes = {
        "id": {"id": other.id},
        "statement": {"statement": other},
        "note": {"grounds": replace(grounds, note=signed(other, ANN))},
    }
    assert read(waivers_content([told(**changes[name])])) is None
    assert read(waivers_content([told(grounds=None)])) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b'{"kind":"Waivers","apiVersion":"x","waivers":[7]}'])
def test_what_holds_no_waivers_is_said_to(content: bytes) -> None:
    with pytest.raises(VerificationError, match="holds no waivers"):
        read(content)


def test_a_note_that_is_none_is_said_to_be() -> None:
    grounds = told().grounds
    assert grounds is not None
    with pytest.raises(VerificationError):
        read(waivers_content([told(grounds=replace(grounds, note="x"))]))


DAY = timedelta(days=1)
FIRST, LAST = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)


def record(index: int, recorded_at: datetime, decided_at: datetime | None = None) -> Record:
    body = {"decision": "d", "decided_at": (decided_at or recorded_at).isoformat()}
    return Record(index, "", recorded_at, {}, {}, {}, body)


#: Index and time of the use, when it was decided, then of the grant and of the revocation; late where it was collected?
USES: dict[str, tuple[Record, Record | None, Record | None, bool, bool]] = {
    "in its time": (record(5, AT), record(3, AT - DAY), None, False, False),
    "before its grant stood there": (record(5, AT), record(7, AT + DAY), None, False, True),
    "revoked, and collected later": (record(5, AT), record(1, AT - DAY), record(4, AT + DAY), False, True),
    "revoked before": (record(5, AT), record(1, AT - DAY), record(4, AT - DAY), True, True),
    "revoked after it stood there": (record(5, AT + DAY), record(1, AT - DAY), record(6, AT), False, False),
    "before its first day": (record(5, FIRST - DAY, FIRST), record(1, AT), None, True, False),
    "decided for a day before its first": (record(5, FIRST, FIRST - DAY), record(1, AT), None, True, False),
    "after its last day": (record(5, LAST + DAY, LAST), record(1, AT), None, True, True),
    "on its last day": (record(5, LAST), record(1, AT), None, False, False),
    "never granted": (record(5, AT), None, None, True, True),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("collected", [True, False])
def test_a_collected_use_is_held_to_times_and_any_other_to_indexes(name: str, collected: bool) -> None:
    use, grant, revocation, *late = USES[name]
    granted = Granted(statement(), [grant] if grant is not None else [], revocation, by_file=False)
    spans = CollectedSpans([CollectedSpan(5, 5)] if collected else [])
    found = uses_of([use], granted, spans)
    assert [each["collected"] for each in found["uses"]] == [collected]
    assert bool(found["used_out_of_time"]) is late[0 if collected else 1]


def again(index: int, recorded_at: datetime) -> Record:
    return replace(record(index, recorded_at), context={"rechecks_entry": "5"})


#: What followed on the collected use at 5: the use, the grant if there is one, and the revocation; late?
AFTER_FILE: dict[str, tuple[Record, Record | None, Record | None, bool]] = {
    "decided again": (again(6, AT), None, None, False),
    "decided again, and granted later": (again(6, AT), record(7, AT + DAY), None, False),
    "decided again before its first day": (again(6, FIRST - DAY), None, None, True),
    "decided again after its last day": (again(6, LAST + DAY), None, None, True),
    "decided again after it was revoked": (again(8, AT), None, record(7, AT + DAY), True),
    "decided again before it was revoked": (again(6, AT + DAY), None, record(7, AT), False),
    "decided again before that was collected": (again(4, AT), None, None, True),
    "not decided again": (record(6, AT), record(7, AT + DAY), None, True),
}


@pytest.mark.parametrize("name", AFTER_FILE)
def test_what_decides_a_collected_decision_again_has_its_file(name: str) -> None:
    use, grant, revocation, late = AFTER_FILE[name]
    granted = Granted(statement(), [grant] if grant is not None else [], revocation, by_file=True)
    uses = sorted([record(5, AT), use], key=lambda each: each.index)
    found = uses_of(uses, granted, CollectedSpans([CollectedSpan(5, 5)]))
    assert [row["index"] for row in found["used_out_of_time"]] == ([use.index] if late else [])
