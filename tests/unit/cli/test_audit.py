"""`policy audit`: list and show."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from policy_audit.ledger import Draft, EntryType
from policy_audit.proof import parse_proof

from policy_engine.cli import audit_list
from tests.unit.cli.ledgers import add, tamper, vkey

Run = Callable[..., Any]
OWNER = "olga.owner@acme.example"


def indexes(outcome: Any) -> list[int]:
    assert outcome.status == 0, outcome.err
    return [row["index"] for row in outcome.json["decisions"]]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), [3, 2, 1, 0]),
        (("--workload", "triage"), [2, 0]),
        (("--workload", "support/triage"), [2, 0]),
        (("--workload", "drafts/triage"), []),
        (("--namespace", "drafts"), [3, 1]),
        (("--verdict", "deny"), [2, 0]),
        (("--verdict", "deny", "--verdict", "review"), [3, 2, 1, 0]),
        (("--verdict", "allow"), []),
        (("--stage", "pilot"), [3, 1]),
        (("--purpose", "deploy"), [2]),
        (("--since", "2020-01-01", "--until", "2099-01-01T00:00:00+02:00"), [3, 2, 1, 0]),
        (("--since", "2099-01-01"), []),
        (("--policy-digest", "sha256:" + "0" * 64), []),
        (("--policy-digest", "0" * 64), []),
        (("--rule", "data-stays-in-network", "--verdict", "deny"), [2, 0]),
        (("--rule", "no-such-rule"), []),
        (("--criterion", "DATA-01", "--namespace", "support"), [2, 0]),
        (("--rule", "data-stays-in-network", "--criterion", "DATA-01"), [3, 2, 1, 0]),
        (("--rule", "data-stays-in-network", "--criterion", "XX"), []),
    ],
)
def test_list_selects(policy: Run, given: tuple[str, ...], expected: list[int]) -> None:
    assert indexes(policy("audit", "list", "-o", "json", *given)) == expected


@pytest.mark.usefixtures("ledger")
def test_list_says_when_there_are_more(policy: Run) -> None:
    found = policy("audit", "list", "-o", "json", "--limit", "3")
    assert indexes(found) == [3, 2, 1]
    assert found.json["more"] is True
    assert "there are more" in policy("audit", "list", "--limit", "3").out
    whole = policy("audit", "list", "--limit", "4")
    assert "there are more" not in whole.out


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("format_", ["text", "markdown", "yaml", "json"])
def test_list_shows_the_owner_in_every_format(policy: Run, format_: str) -> None:
    found = policy("audit", "list", "-o", format_)
    assert found.status == 0, found.err
    assert "olga.owner" in found.out
    assert "triage" in found.out
    if format_ == "text":
        assert max(map(len, found.out.splitlines())) <= 80


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("columns", ["40", "60", "80", "120"])
def test_list_breaks_no_word_and_loses_none(policy: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    whole = policy("audit", "list", "-o", "json").json["decisions"]
    monkeypatch.setenv("COLUMNS", columns)
    words = policy("audit", "list").out.replace(",", " ").split()
    for row in whole:
        for word in (f"{row['namespace']}/{row['workload']}", row["owner"], row["verdict"], row["decision_id"][:12]):
            assert word in words
    lines = policy("audit", "list").out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert len(lines) <= 4 + len(whole) * (1 if columns == "120" else 2 if columns != "40" else 8)


@pytest.mark.usefixtures("ledger")
def test_a_policy_digest_may_be_shortened(policy: Run) -> None:
    digest = policy("audit", "list", "-o", "json").json["decisions"][0]["policy_digest"]
    for given in (digest, digest[:15], digest[:19], digest[7:19], digest[7:].upper()):
        assert indexes(policy("audit", "list", "-o", "json", "--policy-digest", given)) == [3, 2, 1, 0], given
    short = policy("audit", "list", "--policy-digest", digest[:14])
    assert "at least 8 of its 64" in short.err
    none = policy("audit", "list", "--policy-digest", "0123456789ab")
    assert "no policy on record has a digest that begins with `0123456789ab`" in none.err
    whole = policy("audit", "list", "--policy-digest", "0" * 64)
    assert whole.status == 0
    assert "no recorded decision was made under the policy" in whole.out


def test_a_policy_digest_that_fits_several_is_refused_with_them(policy: Run, ledger: Path) -> None:
    view = dict.fromkeys(("namespace", "workload", "verdict", "catalog_digest"), "x")
    view["decided_at"] = "2026-11-01T00:00:00Z"
    digests = ["sha256:" + "ab" * 6 + end * 52 for end in "01"]
    add(
        ledger,
        *(Draft(EntryType.DECISION, view={**view, "decision_id": each[7:], "policy_digest": each}) for each in digests),
    )
    found = policy("audit", "list", "--policy-digest", "abababab")
    assert (found.status, found.out) == (2, "")
    assert "several policies on record" in found.err
    for digest in digests:
        assert digest in found.err
    assert indexes(policy("audit", "list", "-o", "json", "--policy-digest", digests[0][7:21])) == [4]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (("--rule", "nope"), "in no recorded decision a rule `nope` fired"),
        (("--rule", "data-stays-in-netwrk"), "did you mean `data-stays-in-network`?"),
        (("--criterion", "XX"), "in no recorded decision a rule that cites the criterion `XX` fired"),
        (("--rule", "nope", "--stage", "pilot"), "in no recorded decision a rule `nope` fired"),
        (("--rule", "seeing-weights-needs-open-weights"), "a rule `seeing-weights-needs-open-weights` fired"),
        (("--model", "gpt-4"), "did you mean `gpt-4o`?"),
        (("--missing-evidence", "nope"), "in no recorded decision the evidence `nope` was missing"),
        (("--rule", "data-stays-in-network", "--since", "2099-01-01"), None),
    ],
)
def test_a_rule_that_no_decision_names_is_told(policy: Run, given: tuple[str, ...], hint: str | None) -> None:
    found = policy("audit", "list", *given)
    assert found.status == 0
    text = " ".join(found.out.split())
    assert text.startswith("- nothing on record fits")
    nothing = "- nothing on record fits"
    asked = f"{nothing} Recorded 2099-01-01T00:00:00.000000Z to before the end of the record"
    assert (hint in text) if hint else text == (asked if "--since" in given else nothing)
    told = policy("audit", "list", "-o", "json", *given).json["hint"]
    assert (hint in told) if hint else told is None


@pytest.mark.parametrize("command", [["show", "1"], ["show", "1", "--raw"], ["prove", "1"], ["list"]])
def test_an_entry_that_was_deleted_is_damage_and_not_an_error_of_usage(
    policy: Run, ledger: Path, command: list[str]
) -> None:
    tamper(ledger, "DELETE FROM log_entry WHERE leaf_index = 1")
    found = policy("audit", *command)
    assert (found.status, found.out) == (6, "")
    assert "the entry 1" in found.err
    assert "the ledger is damaged: run `policy audit verify`" in found.err
    assert policy("audit", "show", "4").status == 2, "it never had this one"


def test_list_says_that_an_owner_is_erased(policy: Run, ledger: Path) -> None:
    connection = sqlite3.connect(ledger)
    connection.execute("DELETE FROM personal WHERE leaf_index = 0")
    connection.commit()
    connection.close()
    erasure = Draft(
        EntryType.ERASURE, body={"erased": [{"index": 0, "name": n} for n in ("owner", "champion", "actor")]}
    )
    add(ledger, erasure)
    rows = policy("audit", "list", "-o", "json", "--workload", "triage").json["decisions"]
    assert [row["owner"] for row in rows] == [OWNER, None]
    assert "owner erased" in policy("audit", "list").out
    shown = policy("audit", "show", "0", "-o", "json").json
    assert shown["personal"] == {"actor": None, "champion": None, "owner": None}
    assert "erased" in policy("audit", "show", "0").out
    assert policy("audit", "verify").status == 0


def test_list_shows_other_entries(policy: Run, ledger: Path) -> None:
    add(ledger, Draft(EntryType.HOLD, context={"ticket": "LEG-\x1b[31m7"}))
    every = policy("audit", "list", "--type", "all", "-o", "json").json["entries"]
    assert [row["type"] for row in every] == ["hold", *["decision"] * 4]
    text = policy("audit", "list", "--type", "hold").out
    assert "LEG-" in text
    assert "\x1b" not in text
    assert indexes(policy("audit", "list", "-o", "json")) == [3, 2, 1, 0]
    refused = policy("audit", "list", "--type", "hold", "--verdict", "deny")
    assert refused.status == 2
    assert "--verdict" in refused.err


def test_list_offers_every_type_verdict_and_stage() -> None:
    from policy_engine.model.fields import Stage
    from policy_engine.model.task_case import VERDICTS

    assert set(audit_list.TYPES) == {"all", *(str(kind) for kind in EntryType)}
    assert audit_list.VERDICTS == VERDICTS
    assert get_args(Stage) == audit_list.STAGES


@pytest.mark.usefixtures("ledger")
def test_what_is_asked_wrongly_is_status_2(policy: Run) -> None:
    for given in (
        ["list", "--since", "yesterday"],
        ["list", "--limit", "0"],
        ["list", "--workload", "a/b", "--namespace", "c"],
        ["list", "-o", "xml"],
        ["list", "--policy-digest", "sha256:1234567"],
        ["list", "--policy-digest", "00000000"],
        ["list", "--policy-digest", "sha256:" + "0" * 65],
        ["list", "--policy-digest", "what-is-it"],
        ["show", "99"],
        ["show", "abc"],
        ["show", "ffffffff"],
        ["show", "0", "--blob", "nothing"],
        ["show", "0", "--raw", "-o", "json"],
        ["show", "0", "--receipt", "/no/such/folder/receipt"],
        ["verify", "--vkey", "not a key"],
        ["verify", "--kept", "missing"],
        ["prove"],
        ["prove", "0", "--vkey", "x"],
        ["prove", "--check", "a"],
    ):
        found = policy("audit", *given)
        assert found.status == 2, (given, found)
        assert found.out == ""
        assert found.err.startswith("error: "), (given, found.err)


def test_reading_never_makes_a_ledger(policy: Run, tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    for given in (["list"], ["show", "0"], ["verify"], ["prove", "0"]):
        for url in (f"sqlite:///{path}", "sqlite:///:memory:"):
            found = policy("audit", *given, "--ledger", url)
            assert found.status == 6
            assert found.out == ""
            assert "[ledger-missing]" in found.err
        default = policy("audit", *given)
        assert default.status == 6
    assert not list(tmp_path.rglob("*.db*"))


@pytest.mark.usefixtures("ledger")
def test_show_gives_the_whole_entry(policy: Run) -> None:
    shown = policy("audit", "show", "2", "-o", "json").json
    assert (shown["index"], shown["type"], shown["view"]["verdict"]) == (2, "decision", "deny")
    assert shown["context"]["purpose"] == "deploy"
    assert shown["personal"]["owner"] == OWNER
    assert shown["personal"]["champion"] == "carl.champion@acme.example"
    assert shown["commitments"].keys() == {"owner", "champion", "actor"}
    assert shown["checkpoint"]["size"] == 3
    assert shown["blobs"].keys() == {"decision", "workload", "rules", "catalog", "layers"}
    text = policy("audit", "show", shown["view"]["decision_id"][:8]).out
    for part in (OWNER, shown["leaf_hash"][:40], "deploy", "Covered by the checkpoint"):
        assert part in text


@pytest.mark.usefixtures("ledger")
def test_show_writes_exact_bytes(policy: Run) -> None:
    shown = policy("audit", "show", "0", "-o", "json").json
    for role, blob in shown["blobs"].items():
        content = policy("audit", "show", "0", "--blob", role).out.encode()
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == blob["digest"]
        assert len(content) == blob["bytes"]
    raw = policy("audit", "show", "0", "--raw").out.encode()
    assert hashlib.sha256(b"\0" + raw).hexdigest() == shown["leaf_hash"]
    assert "help: did you mean `decision`?" in policy("audit", "show", "0", "--blob", "decison").err


def test_show_writes_the_receipt(policy: Run, ledger: Path, tmp_path: Path) -> None:
    shown = policy("audit", "show", "1", "--receipt", str(tmp_path / "receipt"), "-o", "json")
    assert shown.status == 0
    receipt = (tmp_path / "receipt").read_text(encoding="utf-8")
    assert policy("audit", "show", "1", "--receipt", "-").out == receipt
    entry = policy("audit", "show", "1", "--raw").out.encode()
    key = vkey(ledger)
    parse_proof(receipt).verify(entry, [key], key.partition("+")[0])
