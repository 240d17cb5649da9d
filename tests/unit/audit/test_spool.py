"""What a runner spools: whole, synced and private before it returns, or not there at all."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from policy_audit.entry import Blob, Draft, EntryType
from policy_audit.errors import SpoolError
from policy_audit.spool import Spool, new_call
from policy_audit.spool_format import holding, read_name

from tests.spools import entry_bytes, files, leaf_of, read

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)
RULES = Blob(b'{"rules":"' + b"x" * 100_000 + b'"}')
CALL = new_call("4711", attempt="2", job="test")


def decision(number: int, **personal: str) -> list[Draft]:
    content = json.dumps({"number": number}).encode()
    view = {
        "decision_id": hashlib.sha256(content).hexdigest(),
        "namespace": "default",
        "workload": f"w{number}",
        "verdict": "allow",
        "policy_digest": RULES.digest,
        "catalog_digest": RULES.digest,
        "decided_at": "2026-11-29T08:59:59Z",
        "valid_until": "2026-09-11T00:00:00Z",
        "run": "4711",
    }
    personal = personal or {"owner": "olga@acme.example"}
    return [
        Draft(
            EntryType.DECISION,
            context={"run": "4711"},
            personal=personal,
            blobs={"decision": content, "rules": RULES},
            view=view,
        )
    ]


def spool(folder: Path) -> Spool:
    return Spool(folder, lambda: NOW)


def test_what_is_written_can_be_checked_by_hand(tmp_path: Path) -> None:
    found = spool(tmp_path).write([decision(1), decision(2)], CALL, ("rules",))
    assert [(each.n, each.of) for each in found] == [(1, 2), (2, 2)]
    assert [path.name for path in files(tmp_path)] == [each.file for each in found]
    for each in found:
        document = read(tmp_path / each.file)
        raw = entry_bytes(document)
        assert leaf_of(raw) == each.leaf_hash == document["entries"][0]["leaf_hash"]
        entry = json.loads(raw)
        assert entry["recorded_at"] == each.recorded_at == "2026-11-29T09:00:00.000000Z"
        said = {"run": "4711", "attempt": "2", "job": "test", "call": CALL.id, "n": each.n, "of": 2}
        assert entry["context"]["spooled"] == said == {**document["call"], "n": document["n"], "of": document["of"]}
        assert document["policy"] == RULES.digest == entry["blobs"]["rules"]
        (personal,) = document["entries"][0]["personal"]
        encoded = base64.urlsafe_b64encode(
            json.dumps([personal["salt"], "owner", "olga@acme.example"], separators=(",", ":")).encode()
        )
        committed = base64.urlsafe_b64encode(hashlib.sha256(encoded.rstrip(b"=")).digest()).rstrip(b"=").decode()
        assert entry["commitments"] == {"owner": committed}
        own = entry["blobs"]["decision"]
        assert list(document["blobs"]) == [own]
        content = base64.b64decode(document["blobs"][own])
        assert own == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_what_decisions_share_is_stored_once_and_all_is_private(tmp_path: Path) -> None:
    for _ in range(2):
        spool(tmp_path).write([decision(n) for n in range(3)], new_call("1"), ("rules",))
    assert len(files(tmp_path)) == 6
    (shared,) = (tmp_path / "blobs").iterdir()
    assert (shared.name, shared.read_bytes()) == (RULES.digest.removeprefix("sha256:"), RULES.content)
    assert max(path.stat().st_size for path in files(tmp_path)) < 5000
    for path in (shared, *files(tmp_path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert not list(tmp_path.rglob(".*")), "temporary files are left"


def test_a_shared_document_that_was_torn_is_written_again(tmp_path: Path) -> None:
    spool(tmp_path).write([decision(1)], new_call("1"), ("rules",))
    (shared,) = (tmp_path / "blobs").iterdir()
    for torn in (RULES.content[:1000], b"y" * len(RULES.content)):
        shared.write_bytes(torn)
        spool(tmp_path).write([decision(2)], new_call("2"), ("rules",))
        assert shared.read_bytes() == RULES.content


def test_a_link_in_the_place_of_a_shared_document_is_replaced(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(RULES.content)
    folder = tmp_path / "spool"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / RULES.digest.removeprefix("sha256:")).symlink_to(elsewhere)
    spool(folder).write([decision(1)], new_call("1"), ("rules",))
    (shared,) = (folder / "blobs").iterdir()
    assert not shared.is_symlink()
    assert shared.read_bytes() == RULES.content


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="no such directory") as error:
        spool(tmp_path / "mistyped").write([decision(1)], CALL)
    assert error.value.code == "spool-unwritable"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolError):
        spool(tmp_path / "file").write([decision(1)], CALL)


def test_a_draft_that_is_no_entry_is_refused(tmp_path: Path) -> None:
    (draft,) = decision(1)
    with pytest.raises(SpoolError) as error:
        spool(tmp_path).write([[Draft(draft.type, body={"owner": "olga"}, view=draft.view)]], CALL)
    assert error.value.code == "personal-field"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced and renamed, in order."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def renamed(source: Any, target: Any) -> None:
        done.append(f"name {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    return done


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a descriptor is of is not told here")
def test_everything_is_synced_before_what_names_it(tmp_path: Path, syncs: list[str]) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    found = spool(folder).write([decision(1), decision(2)], CALL, ("rules",))
    blob, names = RULES.digest.removeprefix("sha256:"), [each.file for each in found]
    assert syncs[0].startswith(f"sync .{blob}.")
    assert syncs[1:4] == [f"name {blob}", "sync blobs", "sync spool"]
    assert syncs[4:] == [*(f"sync .{name}" for name in names), *(f"name {name}" for name in names), "sync spool"]


def failing(calls: int, number: int) -> Callable[..., Any]:
    """A system call that fails the n-th time."""
    counted = [0]

    def call(*arguments: Any, **given: Any) -> Any:
        counted[0] += 1
        if counted[0] == calls:
            raise OSError(number, os.strerror(number))
        return call.whole(*arguments, **given)  # type: ignore[attr-defined]

    return call


@pytest.mark.parametrize(
    ("name", "calls"), [*(("fsync", n) for n in range(1, 8)), *(("replace", n) for n in range(1, 5))]
)
def test_a_call_that_cannot_be_spooled_whole_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, calls: int
) -> None:
    """Each sync and each renaming of a call of three decisions fails once; blobs that no decision names may stay."""
    broken: Any = failing(calls, errno.ENOSPC if calls % 2 else errno.EIO)
    broken.whole = getattr(os, name)
    monkeypatch.setattr(os, name, broken)
    with pytest.raises(SpoolError) as error:
        spool(tmp_path).write([decision(n) for n in range(3)], CALL, ("rules",))
    assert error.value.code == ("spool-full" if calls % 2 else "spool-unwritable")
    assert files(tmp_path) == []
    assert not list(tmp_path.rglob(".*"))


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("policy_audit.spool.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        spool(tmp_path).write([decision(1)], CALL)
    assert files(tmp_path) == []
    assert not list(tmp_path.rglob(".*"))


def test_names_tell_the_call_and_sort_as_it_decided(tmp_path: Path) -> None:
    found = spool(tmp_path).write([decision(n) for n in range(11)], CALL)
    names = [each.file for each in found]
    assert names == sorted(names)
    assert [read_name(name) for name in names] == [(CALL.id, n, 11) for n in range(1, 12)]
    for other in ("x.spool.json", names[0] + "x", names[0].replace("-of-", "-off-"), "blobs", "." + names[0]):
        assert read_name(other) is None


def test_calls_of_one_job_differ() -> None:
    calls = {new_call("1", attempt="1", job="a").id for _ in range(100)}
    assert len(calls) == 100


def test_nobody_removes_while_somebody_writes(tmp_path: Path) -> None:
    with holding(tmp_path) as first, holding(tmp_path) as second:
        assert first
        assert second
        with holding(tmp_path, alone=True) as alone:
            assert not alone
    with holding(tmp_path, alone=True) as alone:
        assert alone
