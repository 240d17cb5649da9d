"""The ledger in use: append, read, receipts, verify; everything here is undisturbed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from policy_audit.canonical import parse_canonical
from policy_audit.checkpoint import open_checkpoint, parse_checkpoint
from policy_audit.entry import Blob
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.ledger import DecisionFilter, Draft, EntryType, Ledger, open_ledger
from policy_audit.merkle import leaf_hash, root_hash
from policy_audit.proof import parse_proof

from tests.stores import Store, sqlite_store

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Clock:
    """One minute passes from one reading to the next."""

    def __init__(self) -> None:
        self.readings = 0

    def __call__(self) -> datetime:
        self.readings += 1
        return START + timedelta(minutes=self.readings - 1)


@pytest.fixture(params=["file", "memory", "server"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "server":
        store: Store = request.getfixturevalue("server_database")
    else:
        store = sqlite_store(tmp_path)
    with (
        open_ledger("sqlite:///:memory:", clock=Clock())
        if request.param == "memory"
        else store.open(clock=Clock()) as opened
    ):
        yield opened


def decision(number: int, **columns: str) -> Draft:
    view = {
        "decision_id": f"d-{number:04}",
        "namespace": "default",
        "workload": "chat",
        "verdict": "allow",
        "policy_digest": "sha256:p",
        "catalog_digest": "sha256:c",
        "decided_at": "2026-01-31T12:00:00Z",
    }
    return Draft(
        EntryType.DECISION,
        context={"run": str(number)},
        personal={"owner": f"owner{number}@example.com"},
        blobs={"decision": b'{"n":%d}' % number, "rules": Blob(b"rules")},
        view={**view, **columns},
    )


def test_appending_returns_where_the_entry_stands(ledger: Ledger) -> None:
    first = ledger.append(decision(0))
    second = ledger.append(Draft(EntryType.HOLD))
    assert (first.index, first.tree_size, second.index, second.tree_size) == (0, 1, 1, 2)
    assert (first.recorded_at, second.recorded_at) == ("2026-01-31T12:00:00.000000Z", "2026-01-31T12:01:00.000000Z")
    stored = ledger.entry(0)
    assert stored.leaf_hash == first.leaf_hash == leaf_hash(stored.raw).hex()
    assert stored.document == parse_canonical(stored.raw)
    assert stored.document["context"] == {"run": "0"}


def test_many_are_appended_under_one_checkpoint(ledger: Ledger) -> None:
    ledger.append(decision(0))
    recorded = ledger.append_many(decision(number) for number in range(1, 40))
    assert [one.index for one in recorded] == list(range(1, 40))
    assert {one.tree_size for one in recorded} == {40}
    assert len({one.recorded_at for one in recorded}) == 1
    assert ledger.append_many([]) == []
    checkpoint = open_checkpoint(ledger.checkpoint(), [str(ledger.verifier_key)], str(ledger.origin))
    leaves = [leaf_hash(ledger.entry(index).raw) for index in range(40)]
    assert (checkpoint.size, checkpoint.root) == (40, root_hash(leaves))


def test_an_empty_ledger_has_a_signed_checkpoint(ledger: Ledger) -> None:
    assert parse_checkpoint(ledger.checkpoint()).size == 0
    assert ledger.verify(kept=[ledger.checkpoint()]).ok


@pytest.mark.parametrize("batches", [[1] * 9, [9], [3, 1, 5, 8], [1, 7, 16, 2]])
def test_every_receipt_verifies_without_the_ledger(batches: list[int]) -> None:
    with open_ledger("sqlite:///:memory:") as ledger:
        for batch in batches:
            ledger.append_many([decision(number) for number in range(batch)])
        for index in range(sum(batches)):
            proof = parse_proof(ledger.receipt(index))
            checkpoint = proof.verify(ledger.entry(index).raw, [str(ledger.verifier_key)], str(ledger.origin))
            assert proof.index == index < checkpoint.size
            with pytest.raises(VerificationError):
                proof.verify(b"another entry", [str(ledger.verifier_key)], str(ledger.origin))


def test_a_receipt_stays_the_same(ledger: Ledger) -> None:
    ledger.append_many([decision(number) for number in range(5)])
    before = ledger.receipt(3)
    ledger.append_many([decision(number) for number in range(5)])
    assert ledger.receipt(3) == before


def test_decisions_are_found_by_id_and_by_its_beginning(ledger: Ledger) -> None:
    ledger.append_many([decision(1), decision(2, decision_id="other"), decision(11), decision(1, verdict="deny")])
    assert ledger.find_decision("other").index == 1
    assert ledger.find_decision("othe").index == 1
    assert ledger.find_decision("d-0001").verdict == "deny", "the latest of the same id"
    for identifier, code in (
        ("d-00", "decision-ambiguous"),
        ("d-0003", "decision-missing"),
        ("d", "decision-missing"),
        ("", "decision-missing"),
        ("%%%%", "decision-missing"),
        ("____", "decision-missing"),
    ):
        with pytest.raises(LedgerError) as caught:
            ledger.find_decision(identifier)
        assert caught.value.code == code


def test_decisions_are_filtered(ledger: Ledger) -> None:
    ledger.append(decision(0))
    ledger.append(decision(1, verdict="deny", namespace="team", purpose="deploy", valid_until="2026-02-01T00:00:00Z"))
    ledger.append(decision(2, workload="batch", stage="live", policy_digest="sha256:q"))

    def found(**wanted: str | datetime) -> list[int]:
        return [row.index for row in ledger.list_decisions(DecisionFilter(**wanted), newest_first=False)]  # type: ignore[arg-type]

    assert found() == [0, 1, 2]
    assert found(verdict="deny") == found(namespace="team") == found(purpose="deploy") == [1]
    assert found(workload="chat", verdict="allow") == [0]
    assert found(stage="live") == found(policy_digest="sha256:q") == [2]
    assert found(since=START + timedelta(minutes=1)) == [1, 2]
    assert found(until="2026-01-31T13:01:00+01:00") == [0]
    assert found(since=START, until=START) == []
    assert found(expired_at="2026-02-01T00:00:01Z") == [1]
    assert found(expired_at="2026-02-01T00:00:00Z") == []
    assert [row.index for row in ledger.list_decisions(limit=2)] == [2, 1]


def test_entries_are_listed_by_type_and_time(ledger: Ledger) -> None:
    for draft in (decision(0), Draft(EntryType.HOLD), Draft(EntryType.EXPORT)):
        ledger.append(draft)
    assert [entry.index for entry in ledger.list_entries()] == [2, 1, 0]
    assert [entry.index for entry in ledger.list_entries(type=EntryType.HOLD)] == [1]
    assert [entry.index for entry in ledger.list_entries(type="export", newest_first=False)] == [2]
    assert [entry.index for entry in ledger.list_entries(since=START + timedelta(minutes=1), limit=1)] == [2]
    assert [entry.index for entry in ledger.list_entries(until=START + timedelta(minutes=1))] == [0]


def test_documents_and_personal_values_are_read_back(ledger: Ledger) -> None:
    ledger.append_many([decision(7), decision(8)])
    digest = ledger.entry(0).document["blobs"]["decision"]
    assert ledger.blob(digest) == b'{"n":7}'
    assert ledger.blob(Blob(b"rules").digest) == b"rules"
    assert ledger.personal(1) == {"owner": "owner8@example.com"}
    assert ledger.personal(5) == {}
    assert b"owner8" not in ledger.entry(1).raw
    with pytest.raises(LedgerError, match="no blob"):
        ledger.blob("sha256:" + "0" * 64)


def test_what_is_not_there(ledger: Ledger) -> None:
    for ask in (ledger.entry, ledger.receipt):
        with pytest.raises(LedgerError) as caught:
            ask(0)
        assert caught.value.code == "entry-missing"


def test_a_refused_draft_leaves_nothing_behind(ledger: Ledger) -> None:
    ledger.append(decision(0))
    bad = Draft(EntryType.HOLD, body={"n": 0.5}, blobs={"new": b"new"})
    for drafts in ([bad], [decision(1), bad], [decision(1), Draft(EntryType.HOLD, body={"n": "x" * 70_000})]):
        with pytest.raises(LedgerError, match="refuses the entry"):
            ledger.append_many(drafts)
    assert parse_checkpoint(ledger.checkpoint()).size == 1
    assert ledger.append(decision(2)).index == 1
    assert ledger.verify().ok


@pytest.mark.parametrize(
    "draft",
    [
        Draft(EntryType.HOLD, personal={"owner": "olga\x00"}),
        Draft(EntryType.HOLD, personal={"owner\x00": "olga"}),
        decision(0, workload="chat\x00"),
    ],
)
def test_what_no_column_of_postgresql_holds_is_refused_on_both(ledger: Ledger, draft: Draft) -> None:
    with pytest.raises(LedgerError, match=r"holds the character U\+0000"):
        ledger.append(draft)
    assert ledger.append(Draft(EntryType.HOLD, body={"text": "in the entry alone\x00"})).index == 0
    assert ledger.entry(0).document["body"] == {"text": "in the entry alone\x00"}
    assert ledger.verify().ok


def test_texts_and_integers_are_what_was_recorded(ledger: Ledger) -> None:
    texts = ["'; DROP TABLE log_entry; --", "100%s %(x)s", "\\x00 \\' \\", "😀 é\n\t\x01\x7f", "", "\uffff\U0010ffff"]
    for number, text in enumerate(texts):
        view = {"workload": text or "none", "decision_id": f"id-{text}"}
        draft = decision(number, **view)
        ledger.append(Draft(draft.type, {"n": 2**53 - 1}, {}, {"owner": text}, {"b": text.encode()}, draft.view))
        assert ledger.find_decision(f"id-{text}").workload == (text or "none")
        assert ledger.personal(number) == {"owner": text}
        assert ledger.entry(number).document["body"] == {"n": 2**53 - 1}
        assert [each.index for each in ledger.list_decisions(DecisionFilter(workload=text or "none"))] == [number]
    assert ledger.verify().ok


def test_a_clock_that_steps_back_changes_no_order(store: Store) -> None:
    times = [START, START - timedelta(days=400), START + timedelta(days=1), START - timedelta(hours=1)]
    with store.open(clock=iter(times).__next__) as ledger:
        recorded = [ledger.append(decision(number)) for number in range(4)]
        assert [one.index for one in recorded] == [0, 1, 2, 3]
        assert [entry.recorded_at for entry in ledger.list_entries(newest_first=False)] == [
            one.recorded_at for one in recorded
        ]
        assert [entry.index for entry in ledger.list_entries(until=START)] == [3, 1]
        report = ledger.verify()
        assert report.ok, report.problems


def test_a_clock_without_a_time_zone_is_refused() -> None:
    with (
        open_ledger("sqlite:///:memory:", clock=lambda: datetime(2026, 1, 31)) as ledger,  # noqa: DTZ001
        pytest.raises(LedgerError, match="time zone"),
    ):
        ledger.append(decision(0))


def test_verifying_reports_each_step(ledger: Ledger) -> None:
    kept = [ledger.checkpoint()]
    ledger.append_many([decision(number) for number in range(1500)])
    kept.append(ledger.checkpoint())
    ledger.append(Draft(EntryType.HOLD))
    seen: list[tuple[int, int]] = []
    report = ledger.verify(kept=kept, progress=lambda done, total: seen.append((done, total)))
    assert report.ok
    assert report.problems == []
    assert report.first_failing_index is None
    assert {step.name: step.checked for step in report.steps} == {
        "schema": 10,
        "checkpoints": 3,
        "entries": 1501,
        "tree": 3,
        "blobs": 1501,
        "personal": 1500,
        "view": 1500,
        "kept": 2,
    }
    assert [step.number for step in report.steps] == list(range(1, 9))
    assert (report.size, report.entries, report.origin) == (1501, 1501, ledger.origin)
    assert report.root == parse_checkpoint(ledger.checkpoint()).root.hex()
    assert seen[-1] == (3002, 3002)
    assert seen == sorted(seen)


def test_pages_end_where_entries_end() -> None:
    with open_ledger("sqlite:///:memory:") as ledger:
        for size in (999, 1, 1, 999):
            ledger.append_many([decision(number) for number in range(size)])
            assert ledger.verify().ok


def test_an_erasure_on_record_explains_a_missing_value(store: Store) -> None:
    with store.open() as ledger:
        ledger.append_many([decision(0), decision(1)])
        with store.connection() as connection:
            connection.execute("DELETE FROM personal WHERE leaf_index = 1")
            connection.execute("DELETE FROM subject_key WHERE subject NOT IN (SELECT subject FROM personal)")
        report = ledger.verify()
        assert report.step("personal").status == "failed"
        assert report.first_failing_index == 1
        assert ledger.erased() == set()
        for nothing in ([{"index": True, "name": "owner"}], [{"index": 1}], {"index": 1, "name": "owner"}):
            ledger.append(Draft(EntryType.ERASURE, body={"erased": nothing}))
        ledger.append(Draft(EntryType.HOLD, body={"erased": [{"index": 1, "name": "owner"}]}))
        assert ledger.erased() == set()
        assert ledger.verify().step("personal").status == "failed"
        ledger.append(Draft(EntryType.ERASURE, body={"erased": [{"index": 1, "name": "owner"}, {"index": []}, 1]}))
        assert ledger.verify().ok
        assert ledger.erased() == {(1, "owner")}
        assert ledger.personal(1) == {}


def test_a_scratch_ledger_says_so() -> None:
    with open_ledger("sqlite:///:memory:") as ledger:
        assert ledger.is_scratch
        assert ledger.created_verifier_key is None
        assert repr(ledger) == "<Ledger :memory:>"


README = Path(__file__).parents[3] / "audit" / "README.md"


def test_the_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    example = README.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102
    shown = capsys.readouterr().out
    assert "pin this key: policy-ledger.local/" in shown
    assert "c2sp.org/tlog-proof@v1" in shown


def test_the_readme_names_every_code_and_every_step() -> None:
    text = README.read_text(encoding="utf-8")
    for step in open_ledger("sqlite:///:memory:").verify().steps:
        assert f"{step.number}. **{step.name}**: {step.title}." in text
    source = "".join(file.read_text(encoding="utf-8") for file in (README.parent / "policy_audit").rglob("*.py"))
    codes = set(re.findall(r'code="([a-z-]+)"', source)) | set(re.findall(r'"(ledger-[a-z-]+)", "', source))
    internal = {"bad-signature", "no-known-signature", "other-origin", "entry-changed", "blob-changed"}
    assert {code for code in codes - internal if f"`{code}`" not in text} == set()
