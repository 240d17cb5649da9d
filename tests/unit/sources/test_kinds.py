"""What a document is: whatever the loader accepts is a workload, and so is what looks like one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.errors import InputError
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.loading.yaml_source import LARGEST_FILE
from policy_engine.model.vocabulary import Vocabulary
from policy_engine.sources.contents import contents_of
from policy_engine.sources.kinds import Kind, is_judged, kinds_of, may_hold_workload, passed_over
from policy_engine.sources.words import look_at
from tests.unit.sources.scene import POD, workload

ROOT = Path(__file__).parents[3]
LETTERS = {Kind.WORKLOAD: "W", Kind.OTHER: "O", Kind.EMPTY: "E", Kind.UNREADABLE: "U"}


def letters(text: str | bytes) -> str:
    return "".join(LETTERS[kind] for kind in kinds_of(text.encode() if isinstance(text, str) else text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # ours, or nearly so: an error is better than a workload that nobody judges
        ("apiVersion: policy-engine/v1\nkind: Workload\n", "W"),
        ("apiVersion: policy-engine/v2\nkind: Workload\n", "W"),
        ("apiVersion: policy_engine/v1\nkind: Workload\n", "W"),
        ("apiVersion: polcy-engine/v1\nkind: Workload\n", "W"),
        ("apiVersion: policy-engine/v1\n", "W"),
        ("apiVersion: policy-engine/v1\nkind: Pod\n", "W"),
        ("kind: Workload\n", "W"),
        ("kind: workload\n", "W"),
        ("Kind: Worklod\n", "W"),
        ("metadata: {name: x}\nspec: {}\n", "W"),
        ("kind: [Workload]\n", "W"),
        ("kind: Workload\nkind: Pod\n", "W"),
        ("a: &k Workload\nkind: *k\n", "W"),
        ("a: &v policy-engine/v1\napiVersion: *v\nkind: Workload\n", "W"),
        ("<<: {kind: Workload}\nx: y\n", "W"),
        ("kind: !!str Workload\n", "W"),
        ('"kin\\x64": "W\\x6frkload"\n', "W"),
        ("- apiVersion: policy-engine/v1\n  kind: Workload\n", "W"),
        ("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: policy-engine/v1, kind: Workload}\n", "W"),
        ("? {a: [b]}\n: c\nkind: Workload\n", "W"),
        ("a: [{b: {c: [d]}}]\nmetadata: {x: {y: z}}\nkind: Workload\n", "W"),
        ("a: [b]\nitems: [x, {y: [z]}, {kind: Workload, q: {r: s}}]\n", "W"),
        # somebody else's, with what a workload file may not use
        (POD, "O"),
        ("apiVersion: kueue.x-k8s.io/v1beta1\nkind: Workload\n", "O"),
        ("apiVersion: policy-engine/v1\nkind: Decision\n", "O"),
        ("- apiVersion: policy-engine/v1\n  kind: Decision\n", "O"),
        ("apiVersion: policy-engine/v1\nkind: PolicySet\n", "O"),
        ("Resources: {a: !Ref b, c: !Sub [d]}\n", "O"),
        ("a: &x {b: 1}\nc: {<<: *x}\nc: 2\n1: 2\n", "O"),
        ("a: [{apiVersion: policy-engine/v1, kind: Workload}]\nitems: {apiVersion: policy-engine/v1}\n", "O"),
        ("? [a]\n: items\nitems: [[{apiVersion: policy-engine/v1}]]\n", "O"),
        ("x: {y: [{apiVersion: policy-engine/v1, kind: Workload}]}\n", "O"),
        ("hello", "O"),
        ("null", "O"),
        ("[]", "O"),
        ("metadata: {}\n", "O"),
        # nothing
        ("", "E"),
        ("# a comment\n---\n", "E"),
        # nobody can tell
        ("a: {{ .Values.b }}: c\n", "U"),
        ("a: 'b\n", "U"),
        ("[" * 100_000, "U"),
        (b"\xff\xfea\x00", "U"),
        (b"a: \xff\n", "U"),
        ("a: \x07\n", "U"),
        # each document by itself
        (f"{POD}---\n{workload('w')}---\n---\nx: 'y\n", "OWEU"),
    ],
)
def test_what_a_document_is(text: str | bytes, expected: str) -> None:
    assert letters(text) == expected


#: These hold nothing, or nothing of a workload.
EMPTY = ("empty_file", "only_comments", "billion_laughs")


def documents() -> list[Path]:
    found = [*ROOT.glob("examples/*.yaml"), *ROOT.glob("tests/golden/workload_errors/*/input.yaml")]
    return sorted(path for path in found if path.parent.name not in EMPTY)


@pytest.mark.parametrize("path", documents(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_workload_file_of_this_repository_is_judged(path: Path) -> None:
    """Also each that is wrong in any of the ways that the loader knows."""
    assert is_judged(kinds_of(path.read_bytes()))


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return load_policy(use_cache=False).vocabulary


STYLES: tuple[dict[str, Any], ...] = (
    {},
    {"default_style": '"'},
    {"default_style": "'"},
    {"default_flow_style": True},
    {"default_flow_style": False, "indent": 8},
    {"explicit_start": True, "explicit_end": True},
    {"default_style": '"', "width": 5},
    {"sort_keys": True, "version": (1, 2)},
)


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_no_way_of_writing_a_workload_hides_it(style: dict[str, Any], vocabulary: Vocabulary) -> None:
    value = yaml.safe_load((ROOT / "examples" / "writing-assistant.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(value, **style)
    loaded = load_workload_documents(text, "x", vocabulary)
    accepted = [each for each in loaded if not isinstance(each, InputError)]
    assert letters(text) == "W"
    assert may_hold_workload(text.encode()) or not accepted
    assert contents_of(text.encode()).workloads == ("default/writing-assistant",) or not accepted


def test_only_an_escape_writes_the_version_otherwise(vocabulary: Vocabulary) -> None:
    """What is not parsed where it did not change can be no workload."""
    text = workload("w").replace("policy-engine/v1", '"policy\\x2dengine/v1"')
    (loaded,) = load_workload_documents(text, "x", vocabulary)
    assert not isinstance(loaded, InputError)
    assert may_hold_workload(text.encode())
    assert letters(text) == "W"
    assert not may_hold_workload(POD.encode())


def test_documents_that_are_none_are_passed_over() -> None:
    assert passed_over(kinds_of(f"{POD}---\n{workload('w')}---\n".encode())) == {0, 2}


def test_a_large_file_is_a_workload_where_it_says_so(tmp_path: Path) -> None:
    lock = tmp_path / "lock.yaml"
    lock.write_text("a: b\n" * (LARGEST_FILE // 4), encoding="utf-8")
    assert look_at(lock) == [Kind.OTHER]
    for at in (0, (1 << 20) - 3, LARGEST_FILE + 5):
        text = "#" * at + "\napiVersion: policy-engine/v1\n" + "#" * LARGEST_FILE
        lock.write_text(text, encoding="utf-8")
        assert look_at(lock) == [Kind.UNREADABLE]
    assert look_at(tmp_path / "none.yaml") == [Kind.UNREADABLE]


def test_what_a_file_holds() -> None:
    evidence = "{dpa: {file: a/dpa.pdf, sha256: x, signature: dpa.sig}, soc: {receipt: r, entry: e, reference: z}}"
    more = f"  evidence: {evidence}\n"
    text = f"{POD}---\n{workload('one', more)}---\n{workload('two').replace('{name', '{namespace: team, name')}"
    found = contents_of(text.encode())
    assert found.workloads == ("default/one", "team/two")
    assert found.evidence == ("a/dpa.pdf", "dpa.sig", "r", "e")
    assert found.is_whole
    assert not contents_of(b"kind: Workload\n").is_whole
    assert not contents_of(b"a: 'b\n").is_whole
    assert contents_of(POD.encode()).is_whole
