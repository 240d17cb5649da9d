"""The waiver's file and the signed note: what they take, and what they refuse and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from policy_audit.errors import VerificationError

from policy_engine.cli.output import to_yaml
from policy_engine.cli.waiver_common import write_waiver
from policy_engine.errors import InputError
from policy_engine.waivers.files import file_document, read_file
from policy_engine.waivers.notes import WAIVER, note_of, note_text, read_note
from tests.unit.waivers.making import ANN, signed, statement, waiver_file

FILE = waiver_file(statement(decided={"facts": {"a.b": 5000.5, "c.d": ("x", "y"), "e.f": True, "g.h": -3}}), ANN)


def changed(**more: Any) -> bytes:
    return to_yaml({**file_document(FILE), **more}).encode()


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    write_waiver(path, FILE)
    assert read_file(path.read_bytes(), "w.yaml") == FILE


def test_an_edit_of_the_requester_is_another_waiver() -> None:
    requester = file_document(FILE)["requester"]
    for edit in ({"name": "someone@acme.example"}, {"salt": "B" * 22}, {"known_by": "ci"}):
        assert read_file(changed(requester={**requester, **edit}), "w").statement.id != FILE.statement.id


D = file_document(FILE)
BAD: dict[str, tuple[Any, str]] = {
    "not a mapping": (b"- 1\n", "w:1:1"),
    "two documents": (changed() + b"---\na: 1\n", "w:"),
    "an unknown key": (changed(extra=1), "w:"),
    "another kind": (changed(kind="Workload"), "w:1:1"),
    "another version": (changed(apiVersion="policy-engine/v9"), "w:1:1"),
    "no rule": (changed(rule=None), "w:"),
    "a rule that is text": (changed(rule="r"), "w:"),
    "a digest that is none": (changed(rule={"id": "r", "digest": "sha256:xyz"}), "w:"),
    "a digest with a newline": (changed(rule={"id": "r", "digest": f"sha256:{'1' * 64}\n"}), "w:"),
    "more in the rule": (changed(rule={**D["rule"], "x": 1}), "w:"),
    "no option": (changed(scope={**D["scope"], "option": ""}), "w:"),
    "an outcome that is none": (changed(decided={**D["decided"], "outcome": "not_fired"}), "w:"),
    "a fact that is a mapping": (changed(decided={**D["decided"], "facts": {"a": {"b": 1}}}), "w:"),
    "a fact that is null": (changed(decided={**D["decided"], "facts": {"a": None}}), "w:"),
    "a fact beyond JSON": (changed(decided={**D["decided"], "facts": {"a": 2**60}}), "w:"),
    "a fact that is no number": (changed(decided={**D["decided"], "facts": {"a": float("nan")}}), "w:"),
    "too many facts": (changed(decided={**D["decided"], "facts": {f"a{n}": 1 for n in range(201)}}), "w:"),
    "a day that is none": (changed(valid_until="2026-02-30"), "w:"),
    "a reason without end": (changed(reason="x" * 4001), "w:"),
    "a control character": (changed(ticket="a\x07b"), "w:"),
    "a ticket that is not NFC": (changed(ticket="e\u0301"), "w:"),
    "a requester without salt": (changed(requester={"name": "a", "known_by": "ci"}), "w:"),
    "a salt that is none": (changed(requester={"name": "a", "known_by": "ci", "salt": "x"}), "w:"),
    "signatures that are text": (changed(signatures="— a b"), "w:"),
    "a signature of two lines": (changed(signatures=["— a b\n— c d"]), "w:"),
    "too many signatures": (changed(signatures=["— a b"] * 21), "w:"),
    "an alias bomb": (b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "w:"),
    "a tag": (b"!!python/object:os.system x\n", "w:"),
    "nesting": (b"[" * 5000, "w:"),
    "bytes": (b"\xff\xfe\x00", "w:1:1"),
    "nothing": (b"", "w:1:1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_file_is_refused_with_its_place(name: str) -> None:
    text, place = BAD[name]
    with pytest.raises(InputError) as caught:
        read_file(text, "w")
    assert all(str(problem.span).startswith(place) for problem in caught.value.problems)
    assert "Traceback" not in str(caught.value)


def test_the_place_is_that_of_the_value() -> None:
    with pytest.raises(InputError) as caught:
        read_file(changed(scope={**D["scope"], "option": 7}), "w")
    lines = changed(scope={**D["scope"], "option": 7}).decode().split("\n")
    assert caught.value.span is not None
    assert "option: 7" in lines[caught.value.span.line - 1]


def test_a_note_is_read_in_the_one_form_that_is_signed() -> None:
    note = signed(statement(), ANN)
    assert read_note(note)[0] == statement()
    document = statement().document()
    pretty = f"{WAIVER}\n{json.dumps(document)}\n"
    for text in (
        note.replace(WAIVER, "policy-engine/v1 waiver revocation"),
        note.replace('"ticket":"OPS-7"', '"ticket":"OPS-7","ticket":"OPS-7"'),
        note.replace('"ticket":"OPS-7"', '"ticket": "OPS-7"'),
        pretty + "\n" + note.rpartition("\n\n")[2],
        note_text(WAIVER, {**document, "more": 1}) + "\n" + note.rpartition("\n\n")[2],
        note_text(WAIVER, document),
        "",
        f"{WAIVER}\n{'[' * 100_000}\n\n— a AAAAAAA=\n",
    ):
        with pytest.raises(VerificationError):
            read_note(text)
    assert note == note_of(statement(), [note.rstrip("\n").rpartition("\n")[2]])
