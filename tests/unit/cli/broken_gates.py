"""Ways in which a gate has been seen to pass when it was broken: each breaks something, and returns its arguments.

The workload in the folder is allowed, so that a gate that looked away would pass.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Outcome

Policy = Callable[..., Outcome]
MEMORY = ("--ledger", "sqlite:///:memory:")


@dataclass
class Site:
    """The folder of a gate, with one workload that is allowed, and a ledger that works."""

    folder: Path
    patch: pytest.MonkeyPatch
    policy: Policy
    undo: list[Callable[[], Any]] = field(default_factory=list)

    @property
    def workload(self) -> str:
        return str(self.folder / "w.yaml")

    @property
    def ledger(self) -> tuple[str, str]:
        return ("--ledger", f"sqlite:///{self.folder}/ledger.db")

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)


Way = Callable[[Site], tuple[str, ...]]
WAYS: dict[str, tuple[int, str, Way]] = {}


def way(status: int, code: str) -> Callable[[Way], Way]:
    """Add a way to the table: the status that it has, and the code of the error."""

    def add(function: Way) -> Way:
        WAYS[function.__name__] = (status, code, function)
        return function

    return add


# ---- nothing to judge


@way(2, "usage")
def no_file_is_named(site: Site) -> tuple[str, ...]:
    return MEMORY


@way(2, "file-unreadable")
def the_file_is_not_there(site: Site) -> tuple[str, ...]:
    return (str(site.folder / "none.yaml"), *MEMORY)


@way(2, "file-unreadable")
def one_of_two_files_is_not_there(site: Site) -> tuple[str, ...]:
    return (site.workload, str(site.folder / "none.yaml"), *MEMORY)


@way(2, "yaml-empty")
def the_file_is_empty(site: Site) -> tuple[str, ...]:
    return (site.write("empty.yaml", ""), *MEMORY)


@way(2, "yaml-empty")
def the_file_holds_comments_alone(site: Site) -> tuple[str, ...]:
    return (site.write("empty.yaml", "# nothing\n"), *MEMORY)


@way(2, "usage")
def a_file_is_called_help(site: Site) -> tuple[str, ...]:
    """As a shell gives it for `*`."""
    return (site.workload, "--help", *MEMORY)


# ---- what is judged cannot be read


@way(2, "yaml-syntax")
def the_file_does_not_parse(site: Site) -> tuple[str, ...]:
    return (site.workload, site.write("broken.yaml", "spec: {tasks: [\n"), *MEMORY)


@way(2, "yaml-syntax")
def the_second_document_does_not_parse(site: Site) -> tuple[str, ...]:
    good = Path(site.workload).read_text(encoding="utf-8")
    return (site.write("two.yaml", f"{good}\n---\nspec: [\n"), *MEMORY)


@way(2, "workload-unknown-key")
def a_key_is_misspelt(site: Site) -> tuple[str, ...]:
    good = Path(site.workload).read_text(encoding="utf-8")
    return (site.write("typo.yaml", good.replace("may_leave_network", "may_leave_netwrok")), *MEMORY)


@way(2, "workload-kind")
def it_is_another_kind_of_document(site: Site) -> tuple[str, ...]:
    return (site.write("pod.yaml", "apiVersion: v1\nkind: Pod\n"), *MEMORY)


@way(2, "yaml-encoding")
def it_is_no_utf_8(site: Site) -> tuple[str, ...]:
    (site.folder / "latin.yaml").write_bytes(b"metadata: {name: caf\xe9}\n")
    return (str(site.folder / "latin.yaml"), *MEMORY)


@way(2, "yaml-file-too-large")
def it_is_too_large(site: Site) -> tuple[str, ...]:
    return (site.write("large.yaml", "#" * (2 << 20)), *MEMORY)


# ---- rules that are none


@way(3, "empty-layer")
def the_layer_is_empty(site: Site) -> tuple[str, ...]:
    (site.folder / "layer").mkdir()
    return (site.workload, *MEMORY, "--policy", str(site.folder / "layer"))


@way(3, "no-layer")
def the_layer_is_not_there(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "--policy", str(site.folder / "layer"))


@way(3, "yaml-syntax")
def a_rule_does_not_parse(site: Site) -> tuple[str, ...]:
    site.write("layer/latency/r.yaml", "id: [\n")
    return (site.workload, *MEMORY, "--policy", str(site.folder / "layer"))


@way(3, "bad-condition")
def a_rule_asks_a_fact_that_is_none(site: Site) -> tuple[str, ...]:
    rule = "id: r\ntitle: T\norigin: O\nwhen: task.latencyy > 1\nforbid: [edge]\nenforcement: mandatory\nmessage: M\n"
    site.write("layer/latency/r.yaml", rule)
    return (site.workload, *MEMORY, "--policy", str(site.folder / "layer"))


@way(3, "policy-digest")
def another_policy_is_in_force(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "--policy-digest", f"sha256:{'0' * 64}")


# ---- reports


@way(2, "unknown-format")
def the_format_is_unknown(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "-o", "junitt=r.xml")


@way(2, "cannot-write")
def the_folder_of_the_report_is_not_there(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "-o", f"json={site.folder}/none/r.json")


@way(2, "cannot-write")
def the_report_would_overwrite_the_workload(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "-o", f"json={site.workload}")


@way(7, "unexpected")
def a_report_writer_crashes(site: Site) -> tuple[str, ...]:
    def crash(value: Any) -> str:
        raise TypeError("a report of a kind that nobody thought of")

    site.patch.setattr("policy_engine.cli.reports.to_json", crash)
    return (site.workload, *MEMORY, "-o", f"json={site.folder}/r.json")


@way(7, "interrupted")
def it_is_interrupted_while_it_reports(site: Site) -> tuple[str, ...]:
    def interrupt(value: Any) -> str:
        raise KeyboardInterrupt

    site.patch.setattr("policy_engine.cli.reports.to_json", interrupt)
    return (site.workload, *MEMORY, "-o", f"json={site.folder}/r.json")


@way(7, "unexpected")
def memory_runs_out(site: Site) -> tuple[str, ...]:
    def exhaust(*_: Any) -> Any:
        raise MemoryError

    site.patch.setattr("policy_engine.decide.Decider.decide", exhaust)
    return (site.workload, *MEMORY)


@way(7, "interrupted")
def it_is_interrupted_while_it_decides(site: Site) -> tuple[str, ...]:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    site.patch.setattr("policy_engine.decide.Decider.decide", interrupt)
    return (site.workload, *MEMORY)


@way(7, "broken-output")
def something_leaves_with_success(site: Site) -> tuple[str, ...]:
    def leave(*_: Any) -> Any:
        sys.exit(0)

    site.patch.setattr("policy_engine.decide.Decider.decide", leave)
    return (site.workload, *MEMORY)


# ---- the ledger


@way(2, "no-ledger")
def ci_names_no_ledger(site: Site) -> tuple[str, ...]:
    site.patch.setenv("CI", "true")
    return (site.workload,)


@way(2, "ledger-url")
def the_ledger_is_no_url(site: Site) -> tuple[str, ...]:
    return (site.workload, "--ledger", "ledger.db")


@way(6, "not-a-ledger")
def the_ledger_is_no_database(site: Site) -> tuple[str, ...]:
    site.write("text.db", "no database\n" * 500)
    return (site.workload, "--ledger", f"sqlite:///{site.folder}/text.db")


@way(6, "ledger-unreadable")
def the_ledger_is_a_folder(site: Site) -> tuple[str, ...]:
    (site.folder / "folder.db").mkdir()
    return (site.workload, "--ledger", f"sqlite:///{site.folder}/folder.db")


@way(6, "ledger-locked")
def the_ledger_is_locked(site: Site) -> tuple[str, ...]:
    other = sqlite3.connect(site.folder / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    site.undo.append(other.close)
    return (site.workload, *site.ledger)


@way(6, "ledger-tampered")
def the_newest_checkpoint_was_changed(site: Site) -> tuple[str, ...]:
    with closing(sqlite3.connect(site.folder / "ledger.db", isolation_level=None)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE log_checkpoint SET root = zeroblob(32)")
    return (site.workload, *site.ledger)


@way(6, "signing-key-missing")
def the_key_is_gone(site: Site) -> tuple[str, ...]:
    (site.folder / "ledger.db.key").unlink()
    return (site.workload, *site.ledger)


@way(6, "ledger-pinned")
def it_is_another_ledger_than_the_pinned_one(site: Site) -> tuple[str, ...]:
    other = site.policy("evaluate", site.workload, "--ledger", f"sqlite:///{site.folder}/other.db", "-q")
    key = next(line.split(": ")[1] for line in other.err.splitlines() if line.startswith("verifier key"))
    return (site.workload, *site.ledger, "--ledger-vkey", key)


# ---- what is judged, by the options that choose it


@way(2, "no-workload")
def the_folder_is_empty(site: Site) -> tuple[str, ...]:
    (site.folder / "empty").mkdir()
    return (str(site.folder / "empty"), *MEMORY)


@way(2, "no-workload")
def it_is_called_from_the_wrong_folder(site: Site) -> tuple[str, ...]:
    (site.folder / "elsewhere").mkdir()
    site.patch.chdir(site.folder / "elsewhere")
    return (".", *MEMORY)


@way(2, "no-workload")
def the_pattern_matches_nothing(site: Site) -> tuple[str, ...]:
    return (f"{site.folder}/teams/**/*.yaml", *MEMORY)


@way(2, "yaml-syntax")
def a_file_of_the_folder_does_not_parse(site: Site) -> tuple[str, ...]:
    site.write("broken.yaml", "spec: {tasks: [\n")
    return (str(site.folder), *MEMORY)


@way(2, "no-repository")
def what_changed_is_asked_of_no_repository(site: Site) -> tuple[str, ...]:
    return (str(site.folder), *MEMORY, "--since", "main")


@way(2, "no-revision")
def the_revision_is_not_there(site: Site) -> tuple[str, ...]:
    subprocess.run(["git", "init", "-q", str(site.folder)], check=True)
    site.patch.chdir(site.folder)
    return (*MEMORY, "--since", "origin/main")


# ---- what findings are accepted by


@way(2, "file-unreadable")
def the_baseline_is_not_there(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "--baseline", str(site.folder / "none.yaml"))


@way(2, "bad-baseline")
def the_baseline_is_none(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "--baseline", site.write("b.yaml", "accept: everything\n"))


@way(2, "no-reason")
def a_baseline_is_written_without_a_reason(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "--write-baseline", str(site.folder / "b.yaml"))


@way(2, "bad-waiver")
def the_waiver_is_none(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "--waivers", site.write("waiver.yaml", "lift: everything\n"))


@way(2, "file-unreadable")
def the_waiver_is_not_there(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "--waivers", str(site.folder / "none.yaml"))


# ---- what is handed on


@way(2, "scratch-ledger")
def what_is_attested_is_not_on_record(site: Site) -> tuple[str, ...]:
    return (site.workload, *MEMORY, "--attest", str(site.folder / "a.jsonl"))


@way(2, "cannot-write")
def the_attestation_cannot_be_written(site: Site) -> tuple[str, ...]:
    return (site.workload, *site.ledger, "--attest", str(site.folder / "none" / "a.jsonl"))


@way(6, "spool-unwritable")
def the_spool_is_not_there(site: Site) -> tuple[str, ...]:
    return (site.workload, "--ledger", f"spool:{site.folder}/none")


@way(2, "cannot-write")
def the_summary_of_the_job_cannot_be_written(site: Site) -> tuple[str, ...]:
    site.patch.setenv("GITHUB_STEP_SUMMARY", str(site.folder / "none" / "summary.md"))
    return (site.workload, *MEMORY, "-o", "github")


@way(7, "unexpected")
def a_report_for_ci_crashes(site: Site) -> tuple[str, ...]:
    def crash(*_: Any, **__: Any) -> str:
        raise RecursionError("a finding of a kind that nobody thought of")

    site.patch.setattr("policy_engine.ci.sarif.render", crash)
    return (site.workload, *MEMORY, "-o", f"sarif={site.folder}/r.sarif", "-o", "junit")


# ---- the clock


@way(2, "clock")
def the_clock_is_turned_back(site: Site) -> tuple[str, ...]:
    return (site.workload, *site.ledger, "--at", "2020-01-01T00:00:00Z")
