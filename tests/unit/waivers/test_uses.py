"""What is read of a waiver out of a decision's document that came from a runner, which nobody vouches for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.errors import VerificationError

from policy_engine.model.waiver import Waiver, waivers_content
from policy_engine.waivers.checking import Candidate, active_waivers
from policy_engine.waivers.uses import in_decision
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
