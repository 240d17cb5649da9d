"""Every count of every report against the rows that it counts, and against the commands that count the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from policy_audit.canonical import document_bytes
from policy_audit.entry import Blob
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.reports.registry import REPORTS
from tests.integration.tampering import decision
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.everything import OWNER, Everything
from tests.unit.cli.test_questions_of_officers import made, summary

__all__ = ["made"]
Run = Callable[..., Outcome]
Rows = list[Mapping[str, Any]]


def flips(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    pairs = {(row["denied_entry"], row["allowed_entry"]): row["changed"] for row in rows}
    assert (found["population"], told["rows"]) == (len(pairs), len(rows))
    kinds = {name.removeprefix("with "): count for name, count in told.items() if name != "rows"}
    assert kinds == {kind: sum(kind in changed for changed in pairs.values()) for kind in kinds}
    for row in rows:
        assert row["change"] in row["changed"]


def impact(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    verdicts = sum(count for name, count in told.items() if name.endswith((" before", " after")) and " " in name)
    assert found["population"] == verdicts == rows[0]["of_before"] + rows[0]["of_after"]
    assert all(
        row["decisions_before"] <= row["of_before"] and row["decisions_after"] <= row["of_after"] for row in rows
    )


def integrity(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert found["population"] == told["size"] == found["checkpoint"]["size"]
    assert found["ok"] is all(row["result"] in ("ok", "skipped") for row in rows)


def replays(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert len(rows) == told["failed"] + told["set apart"] <= found["population"]


def waivers(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert told["active"] == sum(row["status"] == "active" for row in rows)
    assert told["expiring"] == sum(row["expiring"] for row in rows)
    assert told["used out of time"] == sum(row["used_out_of_time"] > 0 for row in rows)
    assert told["self-approved"] == sum(row["self_approved"] == "same person" for row in rows)
    assert told["entries that hold no waiver, or use none on record"] == sum(
        row["status"] == "unreadable" for row in rows
    )


def duties(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert told["one person"] == sum(row["finding"] in ("same person", "one person") for row in rows)
    assert told["cannot be told"] == sum(row["finding"] == "cannot be told" for row in rows)


def changes(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert told["policies decided under"] == sum(row["event"] == "decided under" for row in rows)


def denials(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert told["workloads denied"] == len({(row["namespace"], row["workload"]) for row in rows})
    assert told["repeats"] == sum(row["repeat"] for row in rows)


def erasures(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    assert told["refused"] == sum(row["outcome"] == "refused" for row in rows)


def retention(rows: Rows, found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    by_kind: dict[str, Rows] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    due = by_kind.get("due", [])
    holds = [row for row in by_kind.get("hold", []) if row["state"] == "active"]
    assert told["active holds"] == len(holds)
    assert told["regulations without a period"] == len(by_kind.get("no period", []))
    assert told["disposals"] == len(by_kind.get("disposal", []))
    assert told["personal values due"] == sum(row["covers"] == "a personal value" for row in due)
    assert told["documents due"] == sum(row["covers"] == "a document" for row in due)
    assert told["entries due"] >= len({row["entry"] for row in due if row["entry"] is not None})
    covered = sum(row["entries"] for row in by_kind["period"])
    covered += sum(count for name, count in told.items() if name.startswith("covered: "))
    left = ("kept by holds alone", "entries due", "past every period, nothing left")
    assert covered + sum(told[name] for name in left) == told["entries"] == found["checkpoint"]["size"]
    assert max((row["kept"] for row in holds), default=0) <= told["kept by holds alone"]
    assert all(row["kept"] <= row["entries"] + 1 for row in holds), "its own entry, which it keeps, is not in its scope"


#: What is counted where it is not the rows, and what the summary counts of them.
COUNTS: dict[str, Callable[[Rows, Mapping[str, Any], Mapping[str, Any]], None]] = {
    "flipped-facts": flips,
    "rule-impact": impact,
    "integrity": integrity,
    "replay-mismatches": replays,
    "waivers": waivers,
    "separation-of-duties": duties,
    "policy-changes": changes,
    "denials": denials,
    "erasures": erasures,
    "retention": retention,
}
OTHER_POPULATION = {"flipped-facts", "rule-impact", "integrity", "replay-mismatches"}


def report(policy: Run, made: Everything | None, name: str, *more: str) -> Any:
    own = {"access": ("--subject", OWNER), "integrity": ("--vkey", made.keys[0]) if made is not None else ()}
    found = policy("audit", "report", name, *own.get(name, ()), *more, "-o", "json")
    assert found.status == 0, found.err
    return found.json


@pytest.mark.parametrize("name", REPORTS)
def test_every_count_is_that_of_the_rows(policy: Run, made: Everything, name: str) -> None:
    found = report(policy, made, name)
    if name not in OTHER_POPULATION:
        assert found["population"] == len(found["rows"])
    if name in COUNTS:
        COUNTS[name](found["rows"], found, summary(found))
    else:
        assert all(not isinstance(value, int) or isinstance(value, bool) for value in summary(found).values())
    assert found["rows"] or name in {"missing-evidence", "expired", "replay-mismatches"}, "nothing was counted"


FILTERED = ("decisions", "soc2-population", "ai-act-log", "denials", "incident", "flipped-facts")


@pytest.mark.parametrize("name", FILTERED)
def test_two_halves_of_the_record_count_as_much_as_the_whole(policy: Run, made: Everything, name: str) -> None:
    listed = policy("audit", "list", "--type", "all", "--oldest-first", "--limit", "100", "-o", "json").json["entries"]
    middle = listed[10]["recorded_at"]
    whole, first, second = (
        report(policy, made, name, *more)["population"] for more in ((), ("--until", middle), ("--since", middle))
    )
    assert 0 < first + second == whole


@pytest.mark.parametrize("kind", ["decision", "all", "hold"])
def test_a_list_counts_what_its_pages_list(policy: Run, made: Everything, kind: str) -> None:
    asked = ("audit", "list", "--type", kind, "-o", "json")
    count = policy(*asked, "--count").json["count"]
    seen, start = 0, ()
    while True:
        page = policy(*asked, "--limit", "2", *start).json
        seen += len(page.get("decisions", page.get("entries")))
        assert page["more"] is (page["next"] is not None)
        if not page["more"]:
            break
        start = ("--from", str(page["next"]))
    assert seen == count


def test_a_sample_has_so_many_rows_of_the_whole_population(policy: Run, made: Everything) -> None:
    for size, rows in (("2", 2), ("99", 6)):
        found = report(policy, made, "soc2-population", "--sample", size, "--seed", "1")
        assert (found["population"], len(found["rows"]), summary(found)["sample"]) == (6, rows, rows)


def old(number: int, workload: str, regulations: list[str] | None, year: int, **personal: str) -> Draft:
    spec = {"data": {"regulations": regulations}} if regulations is not None else {}
    document, draft = Blob(document_bytes({"spec": spec, "n": number})), decision(number)
    view = {**draft.view, "workload": workload, "workload_digest": document.digest}
    view |= {"valid_until": f"{year}-06-01T00:00:00Z"}
    return replace(draft, view=view, blobs={"workload": document}, personal=personal, context={})


@pytest.fixture
def aged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of many years, with every regulation, two holds that overlap, and something due."""
    moment = [datetime(2010, 1, 1, tzinfo=UTC)]

    def clock() -> datetime:
        moment[0] += timedelta(minutes=1)
        return moment[0]

    path = tmp_path / "aged.db"
    number = 0
    with open_ledger(f"sqlite:///{path}", clock=clock) as ledger:
        for year in (2010, 2022, 2026):
            moment[0] = datetime(year, 1, 1, tzinfo=UTC)
            for workload, regulations in (("a", []), ("h", ["hipaa"]), ("g", ["gdpr", "sox"]), ("u", None)):
                for owner in ("one@x.example", "two@x.example"):
                    ledger.append(old(number, workload, regulations, year, owner=owner, actor=f"{number}@x.example"))
                    number += 1
        ledger.append(Draft(EntryType.EXPORT))
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{path}")
    return path


WHY = ("--reason", "yearly")


@pytest.mark.parametrize("held", [(), ("--workload", "default/a"), ("--all",), ("--subject", "one@x.example")])
def test_retention_its_report_and_a_disposal_count_the_same(policy: Run, aged: Path, held: tuple[str, ...]) -> None:
    if held:
        assert policy("audit", "hold", "place", *held, "--id", "first", *WHY).status == 0
        assert policy("audit", "hold", "place", "--last", "1", "--id", "second", *WHY).status == 0

    def same() -> tuple[int, int]:
        shown = policy("audit", "retention", "-o", "json").json
        dry = policy("audit", "dispose", "--dry-run", *WHY, "-o", "json").json
        found = report(policy, None, "retention")
        told = summary(found)
        retention(found["rows"], found, told)
        assert found["population"] == len(found["rows"])
        assert shown["due"] == dry["due"]
        counts = len(dry["due"]["values"]), len(dry["due"]["documents"])
        assert counts == (told["personal values due"], told["documents due"])
        names = ("entries", "kept_by_holds", "entries_due", "nothing_left", "next_due")
        words = ("entries", "kept by holds alone", "entries due", "past every period, nothing left", "next due")
        assert [shown[name] for name in names] == [told[word] for word in words]
        assert shown["without_period"] == {
            row["name"]: row["entries"] for row in found["rows"] if row["kind"] == "no period"
        }
        periods = {row["name"]: row["entries"] for row in found["rows"] if row["kind"] == "period" and row["entries"]}
        others = {name.removeprefix("covered: "): n for name, n in told.items() if name.startswith("covered: ")}
        assert shown["covered_by"] == periods | others
        assert {hold["id"]: hold["covers"]["entries"] for hold in shown["holds"]} == {
            row["name"]: row["entries"] for row in found["rows"] if row["kind"] == "hold"
        }
        return counts

    before = same()
    assert before > (0, 0) or held == ("--all",)
    done = policy("audit", "dispose", *WHY, "-o", "json").json
    assert (len(done["due"]["values"]), len(done["due"]["documents"])) == before
    assert same() == (0, 0)


def test_a_regulation_without_a_period_is_named_wherever_it_matters(policy: Run, aged: Path, tmp_path: Path) -> None:
    found = policy("audit", "retention", "-o", "json").json
    assert found["without_period"] == {"gdpr": 6, "sox": 6}, "young decisions count as old ones do"
    text = " ".join(policy("audit", "retention").out.split())
    assert "Without a period" in text
    assert "6 gdpr 6 sox" in text
    assert "kept without end" in text
    told = " ".join(policy("audit", "report", "retention").out.split())
    assert "kept without end" in told
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "retention.yaml").write_text(
        "periods:\n  - {id: gdpr-ours, years: 2, regulations: [gdpr], source: counsel}\n", encoding="utf-8"
    )
    ours = policy("audit", "retention", "--policy", str(layer), "-o", "json").json
    assert ours["without_period"] == {"sox": 6}
    linted = policy("rules", "lint", str(layer), "--strict")
    assert linted.status == 0
    assert "no retention period is for `financial`, `pci`, `soc2`, `sox`:" in " ".join(linted.out.split())
    assert "regulation-without-period" not in policy("rules", "lint").out, "that is for a layer to say"
    assert "regulation-without-period" in policy("rules", "lint", "-v").out
