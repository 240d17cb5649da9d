"""Workload files: golden messages, the documents of a file, defaults and unknowns. UPDATE_GOLDEN=1 rewrites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policy_engine.errors import InputError
from policy_engine.loading.vocabulary_file import read_vocabulary
from policy_engine.loading.workload_file import LoadedWorkload, load_workload_documents, load_workloads
from policy_engine.model.vocabulary import Fact, Vocabulary
from policy_engine.model.workload import Workload

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "workload_errors"
SHIPPED = read_vocabulary(ROOT / "rules")
LAYERED = Vocabulary(
    {
        "custom.critical": Fact("custom.critical", "bool", "Whether it is critical."),
        "custom.ratio": Fact("custom.ratio", "double", "A ratio.", minimum=0.0, maximum=1.0),
        "custom.level": Fact("custom.level", "string", "A level.", values=("low", "high")),
        "custom.tags": Fact("custom.tags", "list<string>", "Tags."),
        "custom.derived": Fact("custom.derived", "bool", "What rules derive.", source="rule"),
        "custom.seats": Fact("custom.seats", "int", "Seats.", minimum=1),
    },
    {"dpa": "An agreement.", "tea_ceremony": "A layer's own."},
    {"gdpr": "EU.", "dora": "A layer's own."},
)
SMALL = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {name: a, owner: o@acme.example}
spec:
  stage: pilot
  tasks: [{name: t, kind: coding}]
"""


def only(text: str, vocabulary: Vocabulary = SHIPPED) -> Workload:
    (loaded,) = load_workloads(text, "w.yaml", vocabulary)
    return loaded.workload


def messages(text: str, vocabulary: Vocabulary = SHIPPED) -> list[str]:
    found = load_workload_documents(text, "input.yaml", vocabulary)
    return [str(problem) for each in found if isinstance(each, InputError) for problem in each.problems]


@pytest.mark.parametrize("folder", sorted(GOLDEN.iterdir()), ids=lambda folder: folder.name)
def test_messages_are_the_golden_ones(folder: Path) -> None:
    text = "\n".join(messages((folder / "input.yaml").read_text(encoding="utf-8"))) + "\n"
    expected = folder / "expected.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_every_golden_message_follows_the_style() -> None:
    for folder in GOLDEN.iterdir():
        for line in (folder / "expected.txt").read_text(encoding="utf-8").splitlines():
            place, _, message = line.partition(": ")
            assert place.startswith("input.yaml:"), line
            assert place.count(":") == 2, line
            assert message[0].islower() or message[0] == "`", line
            assert not message.endswith("."), line
            for word in ("pydantic", "NoneType", "dict", " str ", "tuple", "Traceback"):
                assert word not in message, line


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_load(path: Path) -> None:
    found = load_workload_documents(path, None, SHIPPED)
    assert [type(each) for each in found] == [LoadedWorkload]


def test_an_invalid_document_hides_no_other() -> None:
    found = load_workload_documents(f"{SMALL}---\nkind: [\n", "w.yaml", SHIPPED)
    assert [type(each) for each in found] == [LoadedWorkload, InputError]
    found = load_workload_documents(f"a: 1\n---\n{SMALL}---\n[]\n---\n{SMALL}", "w.yaml", SHIPPED)
    assert [type(each) for each in found] == [InputError, LoadedWorkload, InputError, LoadedWorkload]
    assert [each.index for each in found if isinstance(each, LoadedWorkload)] == [1, 3]
    with pytest.raises(InputError) as caught:
        load_workloads(f"a: 1\n---\n{SMALL}---\n[]\n", "w.yaml", SHIPPED)
    assert {problem.span.line for problem in caught.value.problems if problem.span} == {1, 10}


def test_all_problems_of_a_document_come_at_once_and_in_order() -> None:
    found = messages(SMALL.replace("pilot", "prod") + "  data: {regulations: [x]}\n  custom: {y: 1}\n  zz: 1\n")
    assert [line.split(":")[1] for line in found] == ["5", "7", "8", "9"]


def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.yaml", tmp_path, tmp_path / "x\0y"):
        (found,) = load_workload_documents(path, None, SHIPPED)
        assert isinstance(found, InputError)
        assert found.code == "file-unreadable"


def test_left_out_null_and_given_differ_where_the_contract_says_so() -> None:
    left_out, nulls = only(SMALL), only(SMALL.replace("coding}", "coding, modalities: null, min_scores: null}"))
    assert left_out.spec.tasks[0].modalities == ("text",)
    assert left_out.spec.tasks[0].min_scores == {}
    assert nulls.spec.tasks[0].modalities is None
    assert nulls.spec.tasks[0].min_scores is None
    assert left_out.spec.needs is not None
    assert left_out.spec.needs.edge is False
    needs = only(f"{SMALL}  needs: {{edge: null}}\n").spec.needs
    assert needs is not None
    assert (needs.edge, needs.fine_tuning) == (None, False)
    assert only(f"{SMALL}  needs: null\n").spec.needs is None
    assert left_out.spec.migration is None
    assert only(f"{SMALL}  migration: none\n").spec.migration == "none"
    assert left_out.spec.data is None
    assert left_out.namespace == only(SMALL.replace("{name: a", "{namespace: null, name: a")).namespace == "default"


def test_a_layers_names_are_known() -> None:
    text = SMALL + "  data: {regulations: [dora]}\n  evidence: {tea_ceremony: {}}\n  custom:\n    critical: null\n"
    assert only(text, LAYERED).spec.custom == {"critical": None}
    assert len(messages(text)) == 3


@pytest.mark.parametrize("value", ["true", "null"])
def test_what_rules_derive_is_not_declared(value: str) -> None:
    (found,) = messages(SMALL + f"  custom: {{derived: {value}}}\n", LAYERED)
    assert found.startswith("input.yaml:7:12: `spec.custom.derived` is not for a workload to say")


def test_lists_are_bounded() -> None:
    for count, expected in ((256, 0), (257, 3)):
        items = ", ".join(["gdpr"] * count)
        text = SMALL.replace("coding", f"coding, modalities: [{items.replace('gdpr', 'text')}]")
        text += f"  data: {{regulations: [{items}]}}\n  custom: {{tags: [{items}]}}\n"
        found = messages(text, LAYERED)
        assert len(found) == expected
        assert all("257 items, more than 256" in each for each in found)


def test_text_that_is_not_nfc_is_refused_and_the_next_document_read() -> None:
    text = SMALL.replace("name: t", "name: cafe\u0301") + "---\n" + SMALL
    first, second = load_workload_documents(text, "input.yaml", SHIPPED)
    assert isinstance(second, LoadedWorkload)
    assert isinstance(first, InputError)
    (problem,) = first.problems
    assert str(problem).startswith("input.yaml:6:18: the text is not in Unicode normal form C")
    assert "NFC" in (problem.help or "")
    assert only(SMALL.replace("name: t", "name: caf\u00e9")).spec.tasks[0].name == "caf\u00e9"


def test_custom_facts_have_their_declared_types() -> None:
    custom = "  custom: {critical: true, ratio: 1, level: low, tags: [a], seats: 3}\n"
    given = only(SMALL + custom, LAYERED).spec.custom
    assert given == {"critical": True, "ratio": 1.0, "level": "low", "tags": ["a"], "seats": 3}
    assert isinstance(given["ratio"], float)
    wrong = "  custom: {critical: 1, ratio: 1.5, level: mid, tags: [1], seats: true, crit: 1}\n"
    found = messages(SMALL + wrong, LAYERED)
    assert len(found) == 6
    assert "did you mean `critical`?" in found[-1]
