"""No changed byte of what proves evidence ever gives the grade, nor passes a replay where a ledger keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_audit.ledger import Ledger

from policy_engine.vouching.again import proven
from policy_engine.vouching.approval import check_approval
from policy_engine.vouching.receipts import check_proof
from tests.unit.vouching.case import (
    AT,
    CONTENT,
    FILE,
    RECEIPT,
    approve,
    approver,
    checked,
    opened,
    pinned,
    policy,
    record,
    workload,
)

pytestmark = pytest.mark.slow
DAY = AT.date()
SIGNED = workload({"dpa": {**FILE, "signature": "a.sig"}})
PROVEN = workload({"dpa": {**FILE, **RECEIPT}})
often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("vouching")
    (found / "doc.pdf").write_bytes(CONTENT)
    return found


@pytest.fixture(scope="module")
def ledger(folder: Path) -> Iterator[Ledger]:
    with opened(folder) as found:
        record(found, folder)
        yield found


def of(subject: Any) -> Any:
    return subject.spec.evidence["dpa"]


@st.composite
def edits(draw: st.DrawFn, whole: bytes) -> bytes:
    """Change, drop, double or insert some bytes."""
    place = draw(st.integers(0, len(whole) - 1))
    how = draw(st.sampled_from(["change", "drop", "insert", "cut"]))
    byte = bytes([draw(st.integers(0, 255))])
    if how == "change":
        return whole[:place] + byte + whole[place + 1 :]
    if how == "drop":
        return whole[:place] + whole[place + 1 + draw(st.integers(0, 5)) :]
    return whole[:place] + byte + whole[place:] if how == "insert" else whole[:place]


def test_no_edited_signature_or_statement_is_an_approval(folder: Path) -> None:
    whole, under = approve(folder, SIGNED, "dpa").encode(), policy(approver())
    assert not isinstance(check_approval(whole, SIGNED, "dpa", of(SIGNED), under, DAY), str)

    @often
    @given(st.data())
    def law(data: st.DataObject) -> None:
        edited = data.draw(edits(whole))
        found = check_approval(edited, SIGNED, "dpa", of(SIGNED), under, DAY)
        assert isinstance(found, str) or edited == whole

    law()


def test_every_single_changed_bit_of_an_approval_is_seen(folder: Path) -> None:
    whole, under = approve(folder, SIGNED, "dpa").encode(), policy(approver())
    for place in range(len(whole)):
        edited = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        assert isinstance(check_approval(edited, SIGNED, "dpa", of(SIGNED), under, DAY), str), place


@pytest.mark.parametrize("which", ["receipt", "entry"])
def test_no_edited_receipt_or_entry_is_a_proof(which: str, folder: Path, ledger: Ledger) -> None:
    files = {"receipt": (folder / "r.tlog-proof").read_bytes(), "entry": (folder / "r.json").read_bytes()}
    under = policy(origins=[pinned(ledger)])

    def given_by(receipt: bytes, entry: bytes) -> Any:
        try:
            text = receipt.decode()
        except UnicodeDecodeError:
            return "no text"
        return check_proof(text, entry, PROVEN, "dpa", of(PROVEN), under, DAY)

    assert not isinstance(given_by(**files), str)
    for place in range(len(files[which])):
        whole = files[which]
        edited = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        assert isinstance(given_by(**{**files, which: edited}), str), place

    @often
    @given(st.data())
    def law(data: st.DataObject) -> None:
        edited = data.draw(edits(files[which]))
        assert isinstance(given_by(**{**files, which: edited}), str) or edited == files[which]

    law()


@often
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace"))))
def test_no_file_raises(content: bytes, folder: Path, ledger: Ledger) -> None:
    under = policy(approver(), origins=[pinned(ledger)])
    for file in ("h.sig", "h.tlog-proof", "h.json"):
        (folder / file).write_bytes(content)
    hostile = {"signature": "h.sig", "receipt": "h.tlog-proof", "entry": "h.json"}
    found = checked(folder, workload({"dpa": {**FILE, **hostile}}), under)
    assert (found.grade, found.problem, found.proof) == ("attached", None, None)
    mixed = checked(folder, workload({"dpa": {**FILE, **hostile, "receipt": RECEIPT["receipt"]}}), under)
    assert mixed.grade == "attached"


def test_a_proof_on_record_is_verified_again(folder: Path, ledger: Ledger) -> None:
    """Whoever writes decisions with the ledger's own key cannot write an approval that nobody signed."""
    text = approve(folder, SIGNED, "dpa")
    under = policy(approver(), origins=[pinned(ledger)])
    for subject, roles in ((SIGNED, ["approval"]), (PROVEN, ["receipt", "entry"])):
        status = checked(folder, subject, under)
        material = dict(status.material or {})
        assert sorted(material) == sorted(roles)
        kept = proven(subject, under, DAY, {"dpa": material})("dpa", of(subject), status)
        assert kept is not None
        assert (kept.grade, kept.proof, kept.ends) == (status.grade, status.proof, status.ends)
        for changed in (
            {},
            dict.fromkeys(roles, ""),
            dict.fromkeys(roles, text + "x"),
            {**material, "more": ""},
        ):
            assert proven(subject, under, DAY, {"dpa": changed})("dpa", of(subject), status) is None
        assert proven(subject, policy(), DAY, {"dpa": material})("dpa", of(subject), status) is None


def test_a_proof_of_the_decisions_own_ledger_is_verified_again(folder: Path, ledger: Ledger) -> None:
    index = record(ledger, None)
    subject = workload({"dpa": {**FILE, "ledger_index": index}})
    status = checked(folder, subject, policy(), ledger=ledger)
    material = dict(status.material or {})
    assert proven(subject, policy(), DAY, {"dpa": material})("dpa", of(subject), status) is not None
    other = {**material, "entry": material["entry"].replace('"dpa"', '"baa"')}
    moved = workload({"dpa": {**FILE, "ledger_index": index + 1}})
    assert proven(subject, policy(), DAY, {"dpa": other})("dpa", of(subject), status) is None
    assert proven(moved, policy(), DAY, {"dpa": material})("dpa", of(moved), status) is None
