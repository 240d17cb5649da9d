"""`policy gate` with a baseline: what its status leaves out, for how long, and what brings a finding back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_audit.ledger import EntryType, open_ledger

from tests.unit.cli.baseline_bench import Bench, Policy
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import ALLOWED, MEMORY, ROOT
from tests.unit.cli.waiver_scene import WORKLOAD

TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of a baseline of both workloads."""
    from policy_engine.cli.main import call

    folder = tmp_path_factory.mktemp("written")
    bench = Bench(folder, lambda *given: Outcome(call(list(given)), "", ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLICY_CACHE_DIR", str(folder / "cache"))
        assert bench.write().status == 1  # writing one makes nothing green
    return bench.file.read_text(encoding="utf-8")


@pytest.fixture
def bench(tmp_path: Path, policy: Policy, baseline: str) -> Bench:
    found = Bench(tmp_path, policy)
    found.file.write_text(baseline, encoding="utf-8")
    return found


def test_what_is_known_is_left_out_of_the_status_and_of_nothing_else(bench: Bench) -> None:
    ledger = ("--ledger", f"sqlite:///{bench.folder}/l.db")
    assert bench.gate("-q").status == 1
    done = bench.with_baseline("-o", "json", "-o", f"text={bench.folder}/t.txt", ledger=ledger)
    assert done.status == 0
    assert [each["verdict"] for each in done.json] == ["deny", "deny"]
    told = [bench.about(each) for each in done.json]
    assert [len(each["accepted"]) for each in told] == [1, 3]
    assert told[0]["accepted"][0]["reason"] == "adopting the gate"
    assert not {each["effect"] for each in told} & {"deny", "review"}
    with open_ledger(ledger[1], read_only=True) as opened:
        entries = [e.document for e in opened.list_entries(type=EntryType.DECISION, newest_first=False)]
    assert [(e["context"]["baseline"], e["context"]["baseline_accepted"]) for e in entries] == [
        (told[0]["digest"], "1"),
        (told[0]["digest"], "3"),
    ]
    assert [e["view"]["verdict"] for e in entries] == ["deny", "deny"]
    text = " ".join((bench.folder / "t.txt").read_text(encoding="utf-8").split())
    assert "baseline.yaml: 4 findings accepted Accepted, and still denied or to be reviewed" in text
    assert "DENY claims/triage" in text
    assert f"through {TODAY + timedelta(days=90)}: adopting the gate" in text
    assert bench.run("audit", "replay", "--all", *ledger).status == 0
    assert bench.run("audit", "verify", *ledger).status == 0


def test_the_file_says_in_clear_what_decided(bench: Bench) -> None:
    fallback = next(each for each in bench.entries() if each["code"] == "data-stays-in-network")
    assert (fallback["kind"], fallback["option"]) == ("fallback", "proprietary_api")
    proposed = {"deployment": "proprietary_api", "model": "gpt-4o", "provider": "openai", "region": "us"}
    assert fallback["facts"] == {"data.may_leave_network": False} | {f"proposal.{k}": v for k, v in proposed.items()}
    assert fallback["expires"] - fallback["added"] == timedelta(days=90)
    owed = next(each for each in bench.entries() if each["kind"] == "obligation")
    assert (owed["evidence"], owed["effect"]) == ("hardware_attestation", "review")
    places = [(each["namespace"], each["workload"], each["task"], each["code"]) for each in bench.entries()]
    assert places == sorted(places)


RULES = "apiVersion: policy-engine/v1\nkind: PolicySet\nname: acme\nenforcement:\n"
MANDATORY = RULES + "  - {rule: no-mlops-no-self-hosting, enforcement: mandatory}\n"
Change = Callable[[Bench], None]
#: Changes after the baseline was written: the status, and why the entry of the first workload fits no more.
CHANGES: dict[str, tuple[Change, int, str | None]] = {
    "nothing": (lambda b: None, 0, None),
    "a fact that decided nothing": (lambda b: b.change("400000000", "400000001"), 0, None),
    "a comment and the layout": (lambda b: b.change("spec:", "# why\n\nspec:"), 0, None),
    "the rule is mandatory": (lambda b: b.lay("policy-set.yaml", MANDATORY), 1, "enforcement"),
    "the workload's name": (lambda b: b.change("name: triage", "name: triage2"), 1, None),
    "the namespace": (lambda b: b.change("namespace: claims", "namespace: claim"), 1, None),
    "the task's name": (lambda b: b.change("{name: t,", "{name: u,"), 1, "no finding fits it any more"),
    "another fallback": (
        lambda b: b.change(
            "deployment: proprietary_api, model: gpt-4o, provider: openai, region: us",
            "deployment: open_api, model: qwen3-14b, region: us",
            b.leaking,
        ),
        1,
        None,
    ),
    "another model of the fallback": (
        lambda b: b.change("_api, model: gpt-4o,", "_api, model: gpt-4o-mini,", b.leaking),
        1,
        None,
    ),
    "another provider of the fallback": (
        lambda b: b.change("gpt-4o, provider: openai", "gpt-4o, provider: azure", b.leaking),
        1,
        None,
    ),
    "a fact by one": (lambda b: b.change("residency: [eu]", "residency: [eu, ch]", b.leaking), 1, None),
    "a second task like the first": (
        lambda b: b.change("  data: {s", WORKLOAD.partition("tasks:\n")[2].partition("  data:")[0].replace(
            "name: t,", "share: 0.5, name: u,") + "  data: {s"),
        1,
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_is_a_finding_of_its_own(bench: Bench, name: str) -> None:
    change, status, why = CHANGES[name]
    change(bench)
    if name == "a second task like the first":
        bench.change("{name: t,", "{share: 0.5, name: t,")
    done = bench.with_baseline("-o", "json")
    assert done.status == status, done.err
    if why is not None:
        (stale,) = bench.about(done.json[0])["stale"]
        assert why in stale["why"]


def test_a_rule_that_is_another_is_accepted_no_more(bench: Bench) -> None:
    (path,) = (ROOT / "rules").rglob("no-mlops-no-self-hosting.yaml")
    rule = path.read_text(encoding="utf-8")
    texts = rule.replace("title: ", "title: In other words, ", 1)
    bench.lay(f"mlops-capacity/{path.name}", texts)
    assert bench.with_baseline("-q").status == 0
    other = rule.replace("team.mlops == 'none'", "team.mlops == 'none' || team.mlops == 'building'")
    assert rule not in (texts, other)
    bench.lay(f"mlops-capacity/{path.name}", other)
    done = bench.with_baseline("-o", "json")
    assert done.status == 1
    (stale,) = bench.about(done.json[0])["stale"]
    assert stale["why"] == "changed since: the rule"


def test_two_files_of_one_workload_are_one_finding_and_a_copy_under_another_name_is_none(bench: Bench) -> None:
    twin = bench.folder / "twin.yaml"
    twin.write_text(WORKLOAD, encoding="utf-8")
    assert bench.gate("--baseline", str(bench.file), str(twin), "-q").status == 0
    twin.write_text(WORKLOAD.replace("name: triage", "name: other"), encoding="utf-8")
    assert bench.gate("--baseline", str(bench.file), str(twin), "-q").status == 1


@pytest.mark.parametrize(("days", "status"), [(90, 0), (91, 1)])
def test_an_entry_lasts_through_its_last_day(bench: Bench, days: int, status: int) -> None:
    at = datetime.combine(TODAY + timedelta(days=days), datetime.min.time(), UTC)
    for moment in (at, at + timedelta(hours=23, minutes=59, seconds=59)):
        done = bench.with_baseline("-o", "json", "--at", moment.isoformat())
        assert done.status == status
        told = bench.about(done.json[0])
        assert (len(told["accepted"]), len(told["expired"])) == ((1, 0) if status == 0 else (0, 1))
    lines = bench.with_baseline("-q", "--at", at.isoformat()).out.splitlines()
    counted = "4 findings accepted" if status == 0 else "0 findings accepted, 4 expired"
    tally = "4 findings, by which 2 workloads pass" if status == 0 else "none; of its entries 4 expired"
    whole = f"2 workloads: 2 deny; accepted by a baseline: {tally}"
    assert lines[2:] == [whole, f"Baseline {bench.file}: {counted}"]
    text = " ".join(bench.with_baseline("--at", at.isoformat()).out.split())
    assert ("Expired entries, which accept nothing - " in text) is (status == 1)


def test_what_fits_nothing_any_more_is_told_and_fails_nothing(bench: Bench) -> None:
    bench.workload.write_text(ALLOWED.read_text(encoding="utf-8"), encoding="utf-8")
    one = bench.with_baseline("-q")
    assert one.status == 0
    assert "3 findings accepted, 1 on workloads that were not judged" in one.out


# ---- files that somebody edited


def edited(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Bench], None]:
    """Change the entries, and write them as any program writes YAML."""

    def edit(bench: Bench) -> None:
        document = yaml.safe_load(bench.file.read_text(encoding="utf-8"))
        change(document["findings"])
        bench.file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    return edit


def said(text: str) -> Callable[[Bench], None]:
    return lambda bench: bench.file.write_text(text, encoding="utf-8") and None


KIND = "apiVersion: policy-engine/v1\nkind: Baseline\n"
#: What makes a file none, and what is said; the line is that of what is wrong.
BROKEN: dict[str, tuple[Callable[[Bench], None], str, str]] = {
    "a fact": (edited(lambda e: e[0]["facts"].update({"data.residency": ["us"]})), "edited by hand", "fingerprint: "),
    "the workload": (edited(lambda e: e[0].update(workload="other")), "edited by hand", "fingerprint: "),
    "the fingerprint": (edited(lambda e: e[1].update(fingerprint="0" * 64)), "edited by hand", "fingerprint: '000"),
    "an unknown key": (edited(lambda e: e[1].update(note="x")), "`note` is not a key here", "note: x"),
    "no reason": (edited(lambda e: e[1].update(reason="")), "length >= 1", "reason: ''"),
    "no day": (edited(lambda e: e[1].update(expires="never")), "date", "expires: never"),
    "a missing key": (edited(lambda e: e[1].pop("expires")), "missing required field `expires`", "- code: prop"),
    "an effect that fails no gate": (edited(lambda e: e[1].update(effect="condition")), "enum", "effect: condition"),
    "too long": (edited(lambda e: e[1].update(expires=TODAY + timedelta(days=366))), "was written to", "expires: "),
    "a later day": (edited(lambda e: e[1].update(expires=TODAY + timedelta(days=91))), "was written to", "expires: "),
    "later days": (edited(lambda e: e[1].update(expires=TODAY + timedelta(days=91), latest=TODAY + timedelta(days=91))),
                   "edited by hand", "fingerprint: "),
    "added before": (edited(lambda e: e[1].update(added=TODAY - timedelta(days=1))), "edited by hand", "fingerprint: "),
    "added ahead": (edited(lambda e: e[1].update(added=TODAY + timedelta(days=2))), "edited by hand", "fingerprint: "),
    "an entry twice": (edited(lambda e: e.append(dict(e[0], reason="another"))), "accepts the same", "fingerprint: "),
    "a number for a text": (edited(lambda e: e[1].update(task=5)), "expected `str", "task: 5"),
    "no list": (said(KIND + "findings: {}\n"), "array", "findings: {}"),
    "another key": (said(KIND + "findings: []\nmore: 1\n"), "`more` is not a key here", "more: 1"),
    "two documents": (said(KIND + "findings: []\n---\n" + KIND), "a second document", "apiVersion"),
    "another kind": (said("apiVersion: policy-engine/v1\nkind: Waiver\n"), "kind Baseline", "apiVersion"),
    "nothing": (said(""), "empty", ""),
    "no YAML": (said("findings: ["), "", ""),
    "repeated keys": (said(KIND + "findings: []\nfindings: []\n"), "findings", "findings: []"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_baseline_decides_nothing(bench: Bench, name: str) -> None:
    edit, message, line = BROKEN[name]
    edit(bench)
    ledger = bench.folder / "l.db"
    done = bench.with_baseline("-q", ledger=("--ledger", f"sqlite:///{ledger}"))
    assert (done.status, done.out, ledger.exists()) == (2, "", False)
    error = done.err.splitlines()[0]
    assert message in error
    number = int(error.partition(f"{bench.file}:")[2].split(":")[0])
    assert line in [*bench.file.read_text(encoding="utf-8").splitlines(), ""][number - 1]


def test_a_file_that_cannot_be_read_decides_nothing(bench: Bench) -> None:
    for path in (bench.folder / "none.yaml", bench.folder):
        done = bench.gate("--baseline", str(path))
        assert (done.status, done.out) == (2, "")
    link = bench.folder / "link.yaml"
    link.symlink_to(bench.file)
    assert bench.gate("--baseline", str(link), "-q").status == 0


def test_reason_and_an_earlier_day_are_for_hands_to_change(bench: Bench) -> None:
    edited(lambda e: [each.update(reason="see OPS-7", expires=TODAY) for each in e])(bench)
    assert bench.with_baseline("-q").status == 0


@pytest.mark.parametrize(("accepts", "statuses"), [("none", (1, 1)), ("waivable", (1, 0)), ("all", (0, 0))])
def test_the_policy_says_what_a_baseline_may_accept(bench: Bench, accepts: str, statuses: tuple[int, int]) -> None:
    """The first workload's rule is waivable; those of the fallback's are mandatory."""
    bench.lay("approvers.yaml", f"baseline: {{accepts: {accepts}}}\n")
    done = bench.with_baseline("-o", "json")
    assert done.status == statuses[0]
    refused = [len(bench.about(each)["refused"]) for each in done.json]
    assert refused == {"none": [1, 3], "waivable": [0, 3], "all": [0, 0]}[accepts]
    alone = bench.run("gate", str(bench.workload), *MEMORY, "--policy", str(bench.layer), "--baseline", str(bench.file))
    assert alone.status == statuses[1]
    written = bench.write()
    assert len(bench.entries()) == {"none": 0, "waivable": 1, "all": 4}[accepts]
    assert ("lets no baseline accept" in written.err) is (accepts != "all")


def test_nothing_beside_the_workload_names_a_baseline(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_BASELINE", str(bench.file))
    assert bench.gate("-q").status == 1
    (bench.folder / "policy.toml").write_text(f'baseline = "{bench.file}"\n', encoding="utf-8")
    done = bench.gate("-q")
    assert (done.status, "is not a setting" in done.err) == (2, True)
