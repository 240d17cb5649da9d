"""`policy gate --write-baseline`: what it writes, what it keeps, and when it writes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.cli.baseline_bench import Bench, Policy
from tests.unit.cli.given import ALLOWED, MEMORY

TODAY = datetime.now(UTC).date()
EXPIRES = ("--baseline-expires", (TODAY + timedelta(days=10)).isoformat())


@pytest.fixture
def bench(tmp_path: Path, policy: Policy) -> Bench:
    return Bench(tmp_path, policy)


def later(days: int) -> str:
    return datetime.combine(TODAY + timedelta(days=days), datetime.min.time(), UTC).isoformat()


def test_an_entry_that_still_fits_keeps_its_reason_and_its_day(bench: Bench) -> None:
    first = bench.write(*EXPIRES)
    assert (first.status, "4 new" in first.err) == (1, True)
    before = bench.file.read_text(encoding="utf-8")
    again = bench.write(reason="something else")
    assert (again.status, again.err) == (1, f"baseline {bench.file}: 0 new, 4 kept\n")
    assert bench.file.read_text(encoding="utf-8") == before
    bench.change("residency: [eu]", "residency: [eu, ch]", bench.leaking)
    third = bench.write(reason="the region is wider", **{})
    assert third.err == f"baseline {bench.file}: 1 new, 3 kept, 1 removed\n"
    (new,) = [each for each in bench.entries() if each["reason"] == "the region is wider"]
    assert (new["code"], new["expires"]) == ("proposed-region-outside-residency", TODAY + timedelta(days=90))
    assert bench.with_baseline("-q").status == 0


def test_what_expired_is_made_anew_and_that_is_said(bench: Bench) -> None:
    bench.write(*EXPIRES)
    assert bench.with_baseline("-q", "--at", later(11)).status == 1
    renewed = bench.write("--at", later(11), reason="until the summer")
    assert (renewed.status, renewed.err) == (1, f"baseline {bench.file}: 0 new, 4 renewed\n")
    assert {each["reason"] for each in bench.entries()} == {"until the summer"}
    assert bench.with_baseline("-q", "--at", later(11)).status == 0


def test_what_was_not_judged_is_kept_and_what_is_gone_is_not(bench: Bench) -> None:
    bench.write()
    alone = ("--write-baseline", str(bench.file), "--reason", "x", "-q")
    done = bench.run("gate", str(bench.workload), *MEMORY, *alone)
    assert (done.status, done.err) == (1, f"baseline {bench.file}: 0 new, 4 kept\n")
    mended = ALLOWED.read_text(encoding="utf-8").replace("name: writing-assistant", "namespace: claims\n  name: triage")
    bench.workload.write_text(mended, encoding="utf-8")
    done = bench.run("gate", str(bench.workload), *MEMORY, *alone)
    assert (done.status, done.err) == (0, f"baseline {bench.file}: 0 new, 3 kept, 1 removed\n")


def test_the_status_is_that_of_the_baseline_that_was_given(bench: Bench) -> None:
    bench.write()
    bench.change("residency: [eu]", "residency: [eu, ch]", bench.leaking)
    given = ("--baseline", str(bench.file))
    assert bench.write(*given).status == 1
    assert bench.write(*given).status == 0
    assert bench.write().status == 1


WRONG = {
    "no reason": (("--write-baseline", "b.yaml"), "needs a reason"),
    "an empty reason": (("--write-baseline", "b.yaml", "--reason", " "), "characters"),
    "two lines": (("--write-baseline", "b.yaml", "--reason", "a\nb"), "control characters"),
    "a reason alone": (("--reason", "x"), "give --write-baseline"),
    "a day alone": (EXPIRES, "give --write-baseline"),
    "yesterday": (("--write-baseline", "b.yaml", "--reason", "x", "--baseline-expires",
                   str(TODAY - timedelta(days=1))), "is not within 365 days"),
    "more than a year": (("--write-baseline", "b.yaml", "--reason", "x", "--baseline-expires",
                          str(TODAY + timedelta(days=366))), "is not within 365 days"),
    "no day": (("--write-baseline", "b.yaml", "--reason", "x", "--baseline-expires", "soon"), "is not a date"),
    "in no folder": (("--write-baseline", "none/b.yaml", "--reason", "x"), "no such directory"),
    "over the workload": (("--write-baseline", "w.yaml", "--reason", "x"), "read or recorded to by this run"),
    "over the ledger": (("--write-baseline", "l.db", "--reason", "x"), "read or recorded to by this run"),
    "under a report": (("--write-baseline", "b.yaml", "--reason", "x", "-o", "json=b.yaml"), "to one file"),
    "over a layer": (("--write-baseline", "acme/b.yaml", "--reason", "x", "--policy", "acme"), "read or"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_before_anything_is_decided(bench: Bench, name: str) -> None:
    arguments, message = WRONG[name]
    bench.lay("approvers.yaml", "baseline: {accepts: all}\n")
    ledger = ("--ledger", f"sqlite:///{bench.folder}/l.db")
    done = bench.run("gate", str(bench.workload), *ledger, *arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert not (bench.folder / "b.yaml").exists()
    assert not (bench.folder / "l.db").exists()


def test_nothing_is_written_where_not_everything_could_be_judged(bench: Bench) -> None:
    broken = bench.folder / "broken.yaml"
    broken.write_text("kind: Pod\n", encoding="utf-8")
    done = bench.write(str(broken))
    assert (done.status, bench.file.exists()) == (2, False)
    assert "[baseline-not-written]" in done.err
    (bench.folder / "l.db").write_text("no database", encoding="utf-8")
    refused = bench.write(ledger=("--ledger", f"sqlite:///{bench.folder}/l.db"))
    assert (refused.status, refused.out, bench.file.exists()) == (6, "", False)
    bench.lay("approvers.yaml", "baseline: {accepts: everything}\n")
    assert (bench.write().status, bench.file.exists()) == (3, False)


def test_a_file_that_is_no_baseline_is_not_written_over(bench: Bench) -> None:
    bench.file.write_text("kind: Baseline\n", encoding="utf-8")
    done = bench.write()
    assert (done.status, done.out, bench.file.read_text(encoding="utf-8")) == (2, "", "kind: Baseline\n")
    other = bench.folder / "other.yaml"
    bench.file.unlink()
    bench.write()
    other.write_text("precious\n", encoding="utf-8")
    given = ("--baseline", str(bench.file), "--write-baseline", str(other), "--reason", "x")
    done = bench.gate(*given)
    assert (done.status, done.out, other.read_text(encoding="utf-8")) == (2, "", "precious\n")


def test_a_link_is_written_through_to_what_it_names(bench: Bench) -> None:
    real = bench.folder / "real.yaml"
    bench.file.symlink_to(real)
    assert bench.write().status == 1
    assert bench.file.is_symlink()
    assert len(bench.entries()) == 4
    done = bench.gate("--baseline", str(real), "--write-baseline", str(bench.file), "--reason", "x", "-q")
    assert done.status == 0
    assert "0 new, 4 kept" in done.err


def test_the_same_run_writes_the_same_bytes(bench: Bench) -> None:
    bench.write()
    first = bench.file.read_bytes()
    bench.file.unlink()
    files = [str(bench.leaking), str(bench.workload)]
    bench.run("gate", *files, *MEMORY, "--write-baseline", str(bench.file), "--reason", "adopting the gate")
    assert bench.file.read_bytes() == first


def test_a_workload_that_passes_leaves_an_empty_baseline(bench: Bench) -> None:
    given = ("--write-baseline", str(bench.file), "--reason", "x", "-o", "json")
    done = bench.run("gate", str(ALLOWED), *MEMORY, *given)
    assert done.status == 0
    assert "baseline" not in json.loads(done.out)
    assert bench.entries() == []
    assert bench.run("gate", str(ALLOWED), *MEMORY, "--baseline", str(bench.file), "-q").status == 0


@pytest.mark.parametrize("there", [True, False])
def test_where_nothing_was_due_the_baseline_is_left_as_it_is(bench: Bench, there: bool) -> None:
    if there:
        bench.write(*EXPIRES)
    before = bench.file.read_bytes() if there else None
    (bench.folder / "empty").mkdir()
    run = ("gate", str(bench.folder / "empty"), "--if-any", *MEMORY)
    done = bench.run(*run, "--write-baseline", str(bench.file), "--reason", "x")
    said = "left as it is" if there else "not written"
    assert (done.status, done.err) == (0, f"baseline {bench.file}: {said}, for nothing was judged\n")
    assert (bench.file.read_bytes() if bench.file.exists() else None) == before


def test_where_nothing_was_due_its_entries_are_told(bench: Bench) -> None:
    bench.write(*EXPIRES)
    (bench.folder / "empty").mkdir()
    run = ("gate", str(bench.folder / "empty"), "--if-any", *MEMORY, "--baseline", str(bench.file))
    done = bench.run(*run)
    assert (done.status, "4 on workloads that were not judged\n" in done.out) == (0, True)
    done = bench.run(*run, "--at", later(11), "-q")
    assert "4 on workloads that were not judged (4 of them expired)\n" in done.out
    notes = bench.run(*run, "--at", later(11), "-o", "github").out
    assert "4 of the baseline's entries are on workloads that were not judged (4 of them expired)" in notes
