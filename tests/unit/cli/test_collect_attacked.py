"""A spool comes from a runner that may lie, by way of a store that may tear it: what is not whole and true is refused.

Each attack is on one file of two, forged as somebody forges it who knows the format: in canonical form, with every
digest and leaf hash that the forger can make. The other file is collected all the same.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from policy_audit.collecting import look
from policy_audit.errors import SpoolError
from policy_audit.spool_reading import SpoolFolder

from policy_engine.spooled import check_spooled
from tests.spools import canonical, entry_bytes, files, forge, forge_decision, forge_entry, leaf_of, read
from tests.unit.cli.spool_scene import spooled

Policy = Callable[..., Any]
Attack = Callable[[Path], object]


def entry(change: Callable[[dict[str, Any]], object]) -> Attack:
    return lambda path: forge_entry(path, change)


def document(change: Callable[[dict[str, Any]], object]) -> Attack:
    return lambda path: forge(path, change)


def decision(change: Callable[[dict[str, Any]], object]) -> Attack:
    return lambda path: forge_decision(path, change)


def view(**values: str) -> Attack:
    return entry(lambda it: it["view"].update(values))


def context(**values: Any) -> Attack:
    return entry(lambda it: it["context"].update(values))


def raw(change: Callable[[bytes], bytes]) -> Attack:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def replaced(old: bytes, new: bytes) -> Attack:
    return raw(lambda data: data.replace(old, new, 1))


def bytes_of_entry(change: Callable[[bytes], bytes]) -> Attack:
    """The entry in another notation, with the leaf hash of that."""

    def changed(it: dict[str, Any]) -> None:
        data = change(entry_bytes(it))
        it["entries"][0] |= {"entry": base64.b64encode(data).decode(), "leaf_hash": leaf_of(data)}

    return document(changed)


def other_type(kind: str) -> Attack:
    """An entry of another type in the place of the decision's."""

    def changed(it: dict[str, Any]) -> None:
        del it["view"], it["tags"]
        it["type"] = kind

    return entry(changed)


def smuggled(kind: str, **body: Any) -> Attack:
    """An entry of another type after the decision's."""

    def changed(it: dict[str, Any]) -> None:
        own = json.loads(entry_bytes(it))
        del own["view"], own["tags"]
        own |= {"type": kind, "body": body, "blobs": {}, "commitments": {}}
        data = canonical(own)
        it["entries"].append({"entry": base64.b64encode(data).decode(), "leaf_hash": leaf_of(data), "personal": []})

    return document(changed)


def used_without_a_waiver(path: Path) -> None:
    identifier = json.loads(entry_bytes(read(path)))["view"]["decision_id"]
    smuggled("waiver-used", decision=identifier, waiver="0" * 64, rule="x", task="t")(path)


def blob(change: Callable[[bytes], bytes], rename: bool = False) -> Attack:
    """The workload's document changed; under its own digest where `rename` says so."""

    def changed(path: Path) -> None:
        it = read(path)
        digest = json.loads(entry_bytes(it))["blobs"]["workload"]
        before = base64.b64decode(it["blobs"].pop(digest))
        content = change(before)
        assert content != before
        new = f"sha256:{hashlib.sha256(content).hexdigest()}" if rename else digest
        it["blobs"][new] = base64.b64encode(content).decode()
        path.write_bytes(canonical(it) + b"\n")
        if rename:
            forge_entry(path, lambda own: own["blobs"].update(workload=new))

    return changed


def shared(change: Callable[[Path], object]) -> Attack:
    def changed(path: Path) -> None:
        it = json.loads(entry_bytes(read(path)))
        change(path.parent / "blobs" / it["blobs"]["rules"].removeprefix("sha256:"))

    return changed


def linked(path: Path) -> None:
    path.rename(path.parent.parent / "outside")
    path.symlink_to(path.parent.parent / "outside")


def linked_blobs(path: Path) -> None:
    (path.parent / "blobs").rename(path.parent.parent / "outside")
    (path.parent / "blobs").symlink_to(path.parent.parent / "outside")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def disclosed(change: Callable[[list[dict[str, str]]], object]) -> Attack:
    return document(lambda it: change(it["entries"][0]["personal"]))


def another_person(path: Path) -> None:
    """A commitment that opens, to somebody under a name that decisions have not."""
    salt, name, value = "A" * 22, "witness", "wilma@acme.example"
    encoded = base64.urlsafe_b64encode(json.dumps([salt, name, value], separators=(",", ":")).encode()).rstrip(b"=")
    digest = base64.urlsafe_b64encode(hashlib.sha256(encoded).digest()).rstrip(b"=").decode()
    forge(path, lambda it: it["entries"][0]["personal"].append({"salt": salt, "name": name, "value": value}))
    forge_entry(path, lambda it: it["commitments"].update({name: digest}))


def renamed(path: Path) -> None:
    path.rename(path.with_name(path.name.replace("-1-of-2", "-2-of-3").replace("-2-of-2", "-2-of-3")))


def both_say_a_call(path: Path) -> None:
    """File and entry agree on the call, and the name of the file does not."""
    forge(path, lambda it: it["call"].update(call="0" * 32))
    forge_entry(path, lambda it: it["context"]["spooled"].update(call="0" * 32))


def unprintable(path: Path) -> None:
    forge(path, lambda it: it["call"].update(job="a\nb"))
    forge_entry(path, lambda it: it["context"]["spooled"].update(job="a\nb"))


ATTACKS: dict[str, tuple[str, Attack]] = {
    # torn and changed
    "empty": ("spool-torn", raw(lambda _: b"")),
    "torn in the middle": ("spool-torn", raw(lambda data: data[: len(data) // 2])),
    "torn before the line's end": ("spool-changed", raw(lambda data: data[:-1])),
    "zeros at the end": ("spool-torn", raw(lambda data: data[:-4096] + bytes(4096))),
    "two documents": ("spool-torn", raw(lambda data: data + data)),
    "no object": ("spool-format", raw(lambda _: b"[]\n")),
    "another format": ("spool-format", document(lambda it: it.update(spool="policy-audit-spool/v2"))),
    "a member too many": ("spool-format", document(lambda it: it.update(more=1))),
    "a member twice": ("spool-changed", replaced(b'{"blobs":', b'{"n":7,"blobs":')),
    "white space": ("spool-changed", replaced(b'"n":', b'"n": ')),
    "no entry": ("spool-format", document(lambda it: it.update(entries=[]))),
    "not base64": ("spool-format", document(lambda it: it["entries"][0].update(entry="%%%"))),
    "deep": ("spool-torn", raw(lambda _: b"[" * 100_000)),
    # another place, another kind of file
    "a link": ("spool-link", linked),
    "a link for the shared": ("spool-link", linked_blobs),
    "a pipe": ("spool-link", piped),
    "another name": ("spool-changed", renamed),
    "no name": ("spool-name", lambda path: path.rename(path.with_name("decision.json"))),
    # the entry
    "a flipped bit": ("spool-changed", document(lambda it: it["entries"][0].update(leaf_hash="0" * 64))),
    "another notation": ("spool-entry", bytes_of_entry(lambda data: data.replace(b'"body":', b'"body": '))),
    "no entry of ours": ("spool-entry", entry(lambda it: it.update(entry="other/v1"))),
    "a time that is none": ("spool-entry", entry(lambda it: it.update(recorded_at="yesterday"))),
    "a time to come": ("spool-time", entry(lambda it: it.update(recorded_at="2999-01-01T00:00:00.000000Z"))),
    "a time long past": ("spool-time", entry(lambda it: it.update(recorded_at="2019-01-01T00:00:00.000000Z"))),
    "a name in clear": ("spool-entry", entry(lambda it: it["context"].update(owner="olga@acme.example"))),
    "a name deep in the body": ("spool-entry", entry(lambda it: it["body"].update(x=[{"actor": "olga"}]))),
    "NUL in a column": ("spool-entry", view(stage="pi\x00lot")),
    # other types
    "an erasure": ("spool-type", other_type("erasure")),
    "a restore": ("spool-type", other_type("restore")),
    "a key rotation": ("spool-type", other_type("key-rotation")),
    "a grant": ("spool-type", other_type("waiver-granted")),
    "a hold behind it": ("spool-type", smuggled("hold", scope="all")),
    "a collection behind it": ("spool-type", smuggled("collection", entries={"first": 0, "last": 3})),
    "a revocation behind it": ("spool-type", smuggled("evidence-revoked", leaf="0" * 64)),
    "the use of a waiver that it has not": ("spool-view", used_without_a_waiver),
    "the use of one by another decision": ("spool-changed", smuggled("waiver-used", decision="0" * 64)),
    # the columns
    "a better verdict": ("spool-view", view(verdict="allow_with_conditions")),
    "another workload": ("spool-view", view(workload="other")),
    "another namespace": ("spool-view", view(namespace="other")),
    "another time of deciding": ("spool-view", view(decided_at="2026-11-28T00:00:00.000000Z")),
    "another policy": ("spool-changed", view(policy_digest="sha256:" + "0" * 64)),
    "another catalog": ("spool-view", view(catalog_digest="sha256:" + "0" * 64)),
    "another purpose": ("spool-view", view(purpose="draft")),
    "a purpose that is none": (
        "spool-view",
        entry(lambda it: (it["view"].update(purpose="fun"), it["context"].update(purpose="fun"))),
    ),
    "another run": ("spool-view", entry(lambda it: (it["view"].update(run="9"), it["context"].update(run="9")))),
    "a column less": ("spool-view", entry(lambda it: it["view"].pop("stage"))),
    "a tag less": ("spool-view", entry(lambda it: it["tags"].pop("deployment"))),
    "a tag more": ("spool-view", entry(lambda it: it["tags"].update(regulation=["hipaa", "pci"]))),
    "another verdict in the body": ("spool-view", entry(lambda it: it["body"].update(verdict="allow_all"))),
    "more in the body": ("spool-view", entry(lambda it: it["body"].update(note="as agreed"))),
    "another workload in the context": ("spool-view", entry(lambda it: it["context"].update(workload="other"))),
    "a member that no runner writes": ("spool-view", context(note="Olga Ortiz asked for it")),
    "a list in the context": ("spool-view", context(repository=["acme/claims"])),
    "a long text in the context": ("spool-view", context(ref="x" * 501)),
    "a control character in the context": ("spool-view", context(commit="a\tb")),
    "an actor that somebody vouched for": ("spool-view", context(actor_known_by="signed")),
    "a run that cannot be shown": ("spool-view", unprintable),
    "an actor known by nothing": ("spool-view", entry(lambda it: it["context"].pop("actor_known_by"))),
    "a baseline that is a name": ("spool-view", context(baseline="olga")),
    "accepted findings that are no number": ("spool-view", context(baseline_accepted="all of them")),
    "another call": (
        "spool-changed",
        entry(lambda it: it["context"]["spooled"].update(n=2 if it["context"]["spooled"]["n"] == 1 else 1)),
    ),
    "another call in both": ("spool-changed", both_say_a_call),
    "no call": ("spool-changed", entry(lambda it: it["context"].pop("spooled"))),
    # the documents
    "a changed document": ("spool-changed", blob(lambda data: data.replace(b"Workload", b"Workroad"))),
    "another document": ("spool-view", blob(lambda data: data + b" ", rename=True)),
    "a document less": ("spool-torn", document(lambda it: it["blobs"].popitem())),
    "a document more": (
        "spool-changed",
        document(lambda it: it["blobs"].update({"sha256:" + hashlib.sha256(b"x").hexdigest(): "eA=="})),
    ),
    "rules that are not there": ("spool-torn", shared(lambda path: path.unlink())),
    "rules that were changed": ("spool-changed", shared(lambda path: path.write_bytes(path.read_bytes()[1:]))),
    "rules that are a link": (
        "spool-link",
        shared(lambda path: (path.rename(path.parent.parent.parent / "r"), path.symlink_to("../../r"))),
    ),
    "no rules named": ("spool-decision", entry(lambda it: it["blobs"].pop("layers"))),
    "a decision of another verdict": ("spool-view", decision(lambda it: it.update(verdict="allow"))),
    "a decision without tasks": ("spool-decision", decision(lambda it: it.pop("tasks"))),
    "a decision of another shape": ("spool-decision", decision(lambda it: it.update(tasks=7))),
    "a decision with a waiver": (
        "spool-view",
        decision(lambda it: it.update(waivers={"digest": "sha256:" + "0" * 64, "known": []})),
    ),
    # the persons
    "another value": ("spool-commitment", disclosed(lambda them: them[0].update(value="eve@acme.example"))),
    "another salt": ("spool-commitment", disclosed(lambda them: them[0].update(salt="A" * 22))),
    "no value": ("spool-commitment", disclosed(lambda them: them.clear())),
    "a value twice": ("spool-format", disclosed(lambda them: them.append(copy.copy(them[0])))),
    "a value too many": (
        "spool-commitment",
        disclosed(lambda them: them.append({"name": "x", "salt": "A" * 22, "value": "eve"})),
    ),
    "a person under another name": ("spool-view", another_person),
}
SHARED = {"a link for the shared", "rules that are not there", "rules that were changed", "rules that are a link"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spooled(tmp_path_factory.mktemp("template") / "spool", "4711", 2)


@pytest.fixture
def spool(template: Path, tmp_path: Path) -> Path:
    """A folder with a spool of two decisions in it."""
    shutil.copytree(template, tmp_path / "spool")
    return tmp_path / "spool"


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_not_whole_and_true_is_refused(spool: Path, name: str) -> None:
    code, attack = ATTACKS[name]
    first, second = files(spool)
    attack(first)
    found = look([spool], check_spooled, datetime.now(UTC))
    assert {each.code for each in found.refused} == {code}, found.refused
    assert [lot.path for lot in found.lots] == ([] if name in SHARED else [second])


def test_of_attacks_nothing_comes_on_record(policy: Policy, ledger: Path, tmp_path: Path) -> None:
    """By the command, of a good part of them at once."""
    spools = []
    some = {name: ATTACKS[name] for name in [*list(ATTACKS)[::3], *sorted(SHARED)]}
    for number, (_, attack) in enumerate(some.values()):
        spools.append(spooled(tmp_path / "spools" / str(number) / "spool", str(number), 2))
        attack(files(spools[-1])[0])
    found = policy("audit", "collect", *map(str, spools), "-o", "json")
    assert found.status == 6
    assert "Traceback" not in found.err
    assert found.json["added"] == len(some) - len(SHARED)
    assert {row["n"] for row in found.json["decisions"]} == {2}
    assert len(found.json["lacking"]) >= len(some)
    assert policy("audit", "verify").status == 0
    assert policy("audit", "list", "--limit", "100").status == 0


def test_the_attacks_are_on_what_would_be_taken(policy: Policy, ledger: Path, spool: Path) -> None:
    """Without a change the forger's own tools write the same bytes, and they are collected."""
    for path in files(spool):
        before = path.read_bytes()
        forge(path, lambda _: None)
        forge_entry(path, lambda _: None)
        forge_decision(path, lambda _: None)
        assert path.read_bytes() == before
    assert policy("audit", "collect", str(spool)).status == 0


def test_a_decision_that_does_not_follow_is_found_by_a_replay(policy: Policy, ledger: Path, tmp_path: Path) -> None:
    """All of a forged decision agrees with itself: collecting does not decide again, and says nothing else."""
    spool = spooled(tmp_path / "spool", "4711", 1)
    (path,) = files(spool)
    forge_decision(path, lambda it: it.update(verdict="allow"))
    forge_entry(path, lambda it: (it["view"].update(verdict="allow"), it["body"].update(verdict="allow")))
    assert policy("audit", "collect", str(spool)).status == 0
    assert policy("audit", "verify").status == 0
    assert policy("audit", "verify", "--recompute").status == 6
    assert policy("audit", "replay", "--all").status == 6


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document, but its root."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> bool:
    """Put a value in a place; return whether it is another one."""
    for key in path[:-1]:
        document = document[key]
    before, document[path[-1]] = document[path[-1]], value
    return bool(before != value)


@pytest.mark.parametrize("value", [None, "x", [{}]], ids=repr)
def test_whatever_stands_anywhere_is_refused_and_no_accident(spool: Path, value: Any) -> None:
    """Each member of the file and of its entry, once, is something else; which repository it was is free."""
    path = files(spool)[0]
    whole = path.read_bytes()
    own = json.loads(entry_bytes(read(path)))
    free = {("context", "repository")} if isinstance(value, str) else set()
    forgeries = [(forge, place) for place in places(read(path))]
    forgeries += [(forge_entry, place) for place in places(own) if place not in free]
    folder = SpoolFolder(spool)
    for forger, place in forgeries:
        path.write_bytes(whole)
        changed: list[bool] = []
        forger(path, lambda it, place=place, changed=changed: changed.append(put(it, place, copy.deepcopy(value))))
        if changed == [True]:
            with pytest.raises(SpoolError):
                check_spooled(folder.read(path.name))


def test_nothing_is_collected_of_what_lies_beside(policy: Policy, ledger: Path, tmp_path: Path) -> None:
    spool = spooled(tmp_path / "spool", "4711", 1)
    (spool / "notes.txt").write_text("x", encoding="utf-8")
    (spool / "more").mkdir()
    found = policy("audit", "collect", str(spool), "-o", "json")
    assert found.status == 6
    assert [(Path(each["file"]).name, each["code"]) for each in found.json["refused"]] == [
        ("more", "spool-name"),
        ("notes.txt", "spool-name"),
    ]
    assert found.json["added"] == 1
