"""What workloads were at a revision is decided for the comparison alone: nothing of it is on record or handed out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine.ci.judged import Judged
from policy_engine.cli.deciding import decide_files
from policy_engine.cli.options import LedgerChoice
from policy_engine.cli.output import Target
from policy_engine.cli.reports import report
from policy_engine.cli.run_options import CI_FORMATS, Run
from policy_engine.sources.selection import Chosen, Selection, Since, Was
from tests.unit.ci.scene import AT
from tests.unit.cli.conftest import DENIED, OPEN, Outcome
from tests.unit.impact.repositories import git
from tests.unit.sources.scene import committed, write


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for name, text in (("w.yaml", DENIED), ("new.yaml", OPEN), ("was-bad.yaml", OPEN.replace("assistant", "bad"))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    before = {
        "w.yaml": DENIED.replace("may_leave_network: false", "may_leave_network: true").encode(),
        "new.yaml": None,
        "was-bad.yaml": b"kind: Pod\n---\nkind: Workload\n",
    }
    return Run(
        selection=Selection(
            tuple(Chosen(name, before=(Was(content),) if content else ()) for name, content in before.items()),
            since=Since("origin/main", "ab" * 20),
            listed=True,
        ),
        unselected=None,
        layers=(),
        policy_digest=None,
        ledger=LedgerChoice(f"sqlite:///{tmp_path}/l.db", None, True),
        at=AT,
        purpose="draft",
        cross_check=False,
        waivers=(),
        targets=(Target("markdown", tmp_path / "r.md"),),
        all_rules=False,
        verbose=0,
        quiet=False,
        comment="gate",
    )


def judged(run: Run) -> Judged:
    return decide_files(run, lambda error: pytest.fail(str(error)), collect=True)


def test_what_was_is_compared_and_not_recorded(run: Run, tmp_path: Path) -> None:
    found = judged(run)
    assert found.compared is not None
    ((place, (before,)),) = found.compared.before.items()
    assert (place, before.decision.verdict) == (("w.yaml", "support/triage"), "review")
    assert found.compared.open == ("was-bad.yaml",)
    with open_ledger(f"sqlite:///{tmp_path}/l.db", read_only=True) as ledger:
        recorded = {entry.document["body"]["id"] for entry in ledger.list_entries()}
    assert recorded == {each.decision.id for each in found.workloads}
    assert not found.problems
    assert report(found, run, 1) == 0
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "| support/triage | changed | REVIEW → DENY |" in text
    assert "| drafts/assistant | new | REVIEW |" in text
    assert "| drafts/bad | what it was cannot be decided | REVIEW |" in text


@pytest.mark.parametrize(
    "other", [{"selection": Selection((Chosen("w.yaml"),))}, {"targets": (Target("sarif", None),)}]
)
def test_nothing_is_decided_for_nobody(run: Run, other: dict[str, Any]) -> None:
    assert judged(replace(run, **other)).compared is None


def test_a_pull_request(policy: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "repository"
    write(folder, changed=DENIED, gone=OPEN, moved=OPEN.replace("assistant", "mover"))
    write(folder, same=OPEN.replace("assistant", "same"))
    committed(folder)
    git(folder, "checkout", "--quiet", "-b", "change")
    write(folder, changed=DENIED.replace("model: gpt-4o}", "model: gpt-4o-mini}", 1), new=OPEN.replace("assist", "x"))
    (folder / "gone.yaml").unlink()
    (folder / "moved.yaml").rename(folder / "elsewhere.yaml")
    committed(folder)
    monkeypatch.chdir(folder)
    outputs = [argument for name in (*CI_FORMATS, "markdown") for argument in ("-o", f"{name}=../{name}")]
    done = policy("gate", "--since", "main", "--ledger", "sqlite:///:memory:", *outputs)
    assert done.status == 1, done.err
    text = (tmp_path / "markdown").read_text(encoding="utf-8")
    section = text[text.index("### Since main") :]
    assert "| support/triage | changed | DENY | proprietary_api gpt-4o → proprietary_api gpt-4o-mini |" in section
    assert "| drafts/xant | new | REVIEW |" in section
    assert "| drafts/mover | the same outcome | REVIEW |" in section
    assert "| drafts/assistant | deleted: it is not gated any more |" in section
    for name in (*CI_FORMATS, "markdown"):
        report_of = (tmp_path / name).read_text(encoding="utf-8").replace("\\", "")
        assert "3 workloads judged, 1 unchanged since main" in report_of, name
        assert "deleted, and not gated any more: gone.yaml (drafts/assistant)" in report_of, name


def test_what_moved_is_compared_wherever_it_went(
    policy: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into a file that was there, and two files into one; what was beside it at its old place counts for nothing."""
    one, two, three = (OPEN.replace("assistant", name) for name in ("one", "two", "three"))
    folder = tmp_path / "repository"
    write(folder, one=one, two=f"{two}---\nkind: Workload\n", three=three, copy=three, triage=DENIED)
    committed(folder)
    git(folder, "checkout", "--quiet", "-b", "change")
    for name in ("one", "two", "triage", "copy"):
        (folder / f"{name}.yaml").unlink()
    write(folder, both=f"{one}---\n{two}", three=f"{three}---\n{DENIED.replace('gpt-4o', 'gpt-4o-mini')}")
    committed(folder)
    monkeypatch.chdir(folder)
    text = policy("gate", "--since", "main", "--ledger", "sqlite:///:memory:", "-o", "markdown").out
    section = text[text.index("### Since main") :]
    for name in ("drafts/one", "drafts/two", "drafts/three"):
        assert f"| {name} | the same outcome | REVIEW |" in section
    assert "| support/triage | changed | DENY | proprietary_api gpt-4o → proprietary_api gpt-4o-mini |" in section


def test_each_of_two_files_of_one_name_is_compared_with_itself(
    policy: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repository"
    other = DENIED.replace("may_leave_network: false", "may_leave_network: true")
    write(folder, a=DENIED, b=other)
    committed(folder)
    write(folder, a=f"{DENIED}# changed\n", b=f"{other}# changed\n")
    monkeypatch.chdir(folder)
    since = ("gate", "--since", "main", "--ledger", "sqlite:///:memory:")
    text = policy(*since, "-o", "markdown").out
    assert "| support/triage in a.yaml | the same outcome | DENY |" in text
    assert "| support/triage in b.yaml | the same outcome | REVIEW |" in text
    told = "support/triage is the name of 2 workloads: in a.yaml and b.yaml\n"
    for done in (policy(*since), policy("gate", "a.yaml", "b.yaml", "--ledger", "sqlite:///:memory:")):
        assert (done.status, done.out.count(told)) == (1, 1)
    assert told in policy("evaluate", "a.yaml", "b.yaml", "--ledger", "sqlite:///:memory:", "-o", "json").err
    assert told in policy("evaluate", "a.yaml", "b.yaml", "--ledger", "sqlite:///:memory:", "-o", "markdown").out


def test_nothing_changed_is_a_report_that_says_so(
    policy: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repository"
    write(folder, same=OPEN)
    committed(folder)
    monkeypatch.chdir(folder)
    outputs = [argument for name in (*CI_FORMATS, "markdown") for argument in ("-o", f"{name}=../{name}")]
    done = policy("gate", "--since", "HEAD", "--ledger", "sqlite:///:memory:", *outputs)
    assert done.status == 0, done.err
    for name in (*CI_FORMATS, "markdown"):
        found = (tmp_path / name).read_text(encoding="utf-8")
        assert "0 workloads judged, 1 unchanged since HEAD" in found.replace("\\", ""), name
    (run,) = json.loads((tmp_path / "sarif").read_text(encoding="utf-8"))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is True
    assert "::error" not in (tmp_path / "github").read_text(encoding="utf-8")
    assert "<error" not in (tmp_path / "junit").read_text(encoding="utf-8")
    assert "## Policy gate: there was nothing to judge" in (tmp_path / "markdown").read_text(encoding="utf-8")
