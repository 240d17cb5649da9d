"""Two models compared through the command: what it says, what it refuses, and what it exits with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.parity_scene import LABELS, ParityScene


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome]) -> ParityScene:
    return ParityScene(tmp_path, policy)


def test_models_are_compared_by_the_metric_of_the_task(scene: ParityScene) -> None:
    found = scene.parity("-o", "json", of=("qwen3-14b", "mistral-7b"))
    assert found.status == 0, found.err
    value = found.json
    (task,) = value["tasks"]
    assert (value["kind"], value["workload"], task["name"], task["kind"]) == (
        "Parity",
        "support/tickets",
        "triage",
        "classification",
    )
    assert (task["metric"], task["examples"], value["margin"], value["confidence"]) == ("macro_f1", 400, 0.02, 0.95)
    assert value["confidence_of_each_candidate"] == pytest.approx(0.975)
    # wrong are 8 of 400 of either, 4 of each label: half of the 2 in 100 are of one label, half of the other
    assert task["current"]["metrics"]["accuracy"] == pytest.approx(0.98)
    assert task["current"]["value"] == pytest.approx(0.98, abs=1e-3)
    one, other = task["candidates"]
    assert (one["verdict"], one["differing"], other["verdict"]) == ("equivalent", 8, "worse")
    assert other["difference"]["high"] < -0.02
    assert value["evidence_problem"] is None
    assert task["confusion"]["labels"] == list(LABELS)
    assert task["confusion"]["models"][0]["counts"] == [[196, 4], [4, 196]]
    assert task["confusion"]["models"][0]["no_label"] == [0, 0]


def test_people_read_verdicts_and_why(scene: ParityScene) -> None:
    found = scene.parity(of=("qwen3-14b", "mistral-7b"))
    text = " ".join(found.out.split())
    assert "worse by more than 0.02 of macro F1" in text
    assert "each of 2 candidates has its part (Bonferroni)" in text
    assert "macro F1, decides" in text
    assert max(map(len, found.out.splitlines())) <= 80
    markdown = scene.parity("-o", "markdown").out
    assert "| equivalent | triage | qwen3-14b |" in markdown
    assert yaml.safe_load(scene.parity("-o", "yaml").out)["tasks"][0]["name"] == "triage"


@pytest.mark.parametrize(
    ("fail_on", "of", "margin", "status"),
    [
        (None, "mistral-7b", "0.02", 0),
        ("worse", "mistral-7b", "0.02", 1),
        ("worse", "qwen3-14b", "0.02", 0),
        ("inconclusive", "qwen3-14b", "0.012", 1),
        ("too_few", "qwen3-14b", "0.005", 1),
        ("inconclusive", "qwen3-14b", "0.005", 0),
        ("too_few", "qwen3-14b", "0.05", 0),
    ],
)
def test_the_status_is_the_verdicts_where_it_is_asked_for(
    scene: ParityScene, fail_on: str | None, of: str, margin: str, status: int
) -> None:
    more = ("--fail-on", fail_on) if fail_on is not None else ()
    assert scene.parity("--margin", margin, *more, of=(of,)).status == status


@pytest.mark.parametrize(("margin", "says"), [("0.012", "goes below -0.012"), ("0.014", "stays possible")])
def test_what_is_open_is_said_by_the_bound_that_is_open(scene: ParityScene, margin: str, says: str) -> None:
    given = ("--margin", margin)
    (each,) = scene.parity("-o", "json", *given).json["tasks"][0]["candidates"]
    assert each["verdict"] == "inconclusive"
    assert (float(each["difference"]["low"]) > -float(margin)) == (says == "stays possible")
    assert says in " ".join(scene.parity(*given).out.split())


def test_five_of_five_right_is_too_few(scene: ParityScene) -> None:
    scene.examples(5)
    (task,) = scene.parity("-o", "json").json["tasks"]
    assert (task["candidates"][0]["verdict"], task["examples_needed"], task["needed_of_each_label"]) == (
        "too_few",
        92,
        True,
    )
    assert "a margin of 0.02 takes 92 examples of each label" in " ".join(scene.parity().out.split())


def test_a_wide_margin_takes_thirty_examples_all_the_same(scene: ParityScene) -> None:
    scene.examples(20)
    assert "a margin of 0.5 takes 15 examples of each label at least, and there are 10" in " ".join(
        scene.parity("--margin", "0.5").out.split()
    )


def test_tasks_are_told_apart_and_each_has_its_metric(scene: ParityScene) -> None:
    first = scene.document["spec"]["tasks"][0] | {"share": 0.5}
    more = [
        first | {"name": "fields", "kind": "extraction", "share": 0.25},
        first | {"name": "sums", "kind": "summarisation", "share": 0.25},
    ]
    scene.document["spec"]["tasks"] = [first, *more]
    scene.write()
    rows: list[dict[str, Any]] = [{"id": f"a{n}", "task": "triage", "expected": LABELS[n % 2]} for n in range(40)]
    rows += [{"id": f"b{n}", "task": "fields", "expected": {"total": n}} for n in range(40)]
    rows += [{"id": f"c{n}", "task": "sums", "expected": f"Order {n} was late"} for n in range(40)]
    scene.lines("golden", rows)
    right = {"a": lambda n: LABELS[n % 2], "b": lambda n: f'{{"total": {n}}}', "c": lambda n: f"order {n} came late"}
    answers = [
        {"id": r["id"], "answer": right[r["id"][0]](int(r["id"][1:])), "latency_ms": 7, "usd": 0.25} for r in rows
    ]
    scene.lines("gpt-4o", answers)
    scene.lines("qwen3-14b", [a | {"answer": "{"} if a["id"] in ("b1", "b2") else a for a in answers])
    (scene.folder / "s.json").write_text('{"required": ["total"]}', encoding="utf-8")
    value = scene.parity("--schema", "fields=s.json", "-o", "json").json
    assert [(t["name"], t["metric"]) for t in value["tasks"]] == [
        ("triage", "macro_f1"), ("fields", "exact_match"), ("sums", "rouge_l"),
    ]  # fmt: skip
    fields = value["tasks"][1]["candidates"][0]["metrics"]
    assert fields == pytest.approx({"exact_match": 0.95, "token_f1": 0.95, "json_valid": 0.95, "schema_valid": 0.95})
    # three of four words, in order
    assert value["tasks"][2]["current"]["value"] == pytest.approx(0.75)
    assert value["answers"][0]["latency_p95_ms"] == 7
    assert value["answers"][0]["usd_per_answer"] == 0.25
    alone = scene.parity("--task", "sums", "--metric", "rouge_1", "-o", "json").json
    assert [(t["name"], t["metric"], t["examples"]) for t in alone["tasks"]] == [("sums", "rouge_1", 40)]
    rows[0]["task"] = "tirage"
    del rows[1]["task"]
    scene.lines("golden", rows)
    found = scene.parity()
    assert found.status == 2
    assert "golden.jsonl:1:1: error: the workload has no task `tirage`" in found.err
    assert "golden.jsonl:2:1: error: it names no `task`, and the workload has 3" in found.err


def test_what_is_no_number_is_said_of_its_option(scene: ParityScene) -> None:
    for option in ("--margin", "--confidence"):
        found = scene.parity(option, "nan")
        assert (found.status, f"`{option}` is no number" in found.err) == (2, True)


def test_one_file_is_of_one_model(scene: ParityScene) -> None:
    (scene.folder / "copy.jsonl").write_bytes((scene.folder / "gpt-4o.jsonl").read_bytes() + b"\n")
    for name in ("gpt-4o", "copy"):
        found = scene.run(
            "parity", "w.yaml", "--golden", "golden.jsonl", "--current", "gpt-4o=gpt-4o.jsonl", "--candidate",
            f"qwen3-14b={name}.jsonl",
        )  # fmt: skip
        assert (found.status, found.out) == (2, "")
        assert f"{name}.jsonl:1:1: error: it says what the answers say of `gpt-4o`, `gpt-4o.jsonl`" in found.err


def test_the_same_seed_gives_the_same_bytes(scene: ParityScene) -> None:
    one = scene.parity("-o", "json").out
    assert one == scene.parity("-o", "json").out
    assert one != scene.parity("-o", "json", "--seed", "1").out


def test_a_picture_is_drawn_and_takes_the_place_of_nothing_else(scene: ParityScene) -> None:
    assert scene.parity("--plot", "p.svg").status == 0
    assert "triage: qwen3-14b" in (scene.folder / "p.svg").read_text(encoding="utf-8")
    before = (scene.folder / "golden.jsonl").read_bytes()
    assert scene.parity("--plot", "w.yaml").status == 2
    assert scene.parity("-o", "json=golden.jsonl").status == 2
    assert (scene.folder / "golden.jsonl").read_bytes() == before


def test_names_of_strangers_do_nothing_to_a_terminal(scene: ParityScene) -> None:
    label = "\x1b[31mred\u202e"
    scene.lines("golden", [{"id": n, "expected": label if n % 2 else "b"} for n in range(4)])
    for model in ("gpt-4o", "qwen3-14b"):
        scene.lines(model, [{"id": n, "answer": label, "meta": model} for n in range(4)])
    for form in ("text", "markdown"):
        shown = scene.parity("-o", form).out
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    found = scene.run(
        "parity", "--kind", "sentiment", "--golden", "golden.jsonl", "--current", "\x1b[2J=gpt-4o.jsonl",
        "--candidate", "b=qwen3-14b.jsonl",
    )  # fmt: skip
    assert (found.status, "\x1b" in found.out) == (0, False)


def test_without_a_workload_the_kind_or_metric_is_named(scene: ParityScene) -> None:
    assert scene.parity("--kind", "sentiment", "-o", "json", file=None).json["tasks"][0]["metric"] == "macro_f1"
    by = scene.parity("--metric", "exact_match", "-o", "json", file=None).json
    assert (by["workload"], by["tasks"][0]["kind"], by["tasks"][0]["current"]["metrics"]["json_valid"]) == (
        None,
        None,
        None,
    )


REFUSED: dict[str, tuple[tuple[str, ...], str | None, str]] = {
    "nothing says the kind": ((), None, "nothing says of which kind the task is"),
    "both say the kind": (("--kind", "sentiment"), "w.yaml", "goes with no workload's file"),
    "no such kind": (("--kind", "sentimant"), None, "did you mean `sentiment`?"),
    "no published metric": (("--kind", "coding"), None, "no metric is published for the kind `coding`"),
    "no such metric": (("--metric", "bleu"), "w.yaml", "there is no metric `bleu`"),
    "another kind's metric": (("--metric", "rouge_l"), "w.yaml", "is no metric for the kind `classification`"),
    "no such task": (("--task", "x"), "w.yaml", "the workload has no task `x`"),
    "a model twice": (("--candidate", "gpt-4o=qwen3-14b.jsonl"), "w.yaml", "are one model"),
    "no file": (("--candidate", "x"), "w.yaml", "`x` names no model and its file"),
    "four candidates": (
        tuple(word for n in range(3) for word in ("--candidate", f"m{n}=gpt-4o.jsonl")), "w.yaml", "more than 3",
    ),
    "too few draws": (("--confidence", "0.999"), "w.yaml", "give --resamples"),
    "a schema of no task": (("--schema", "w.yaml"), "w.yaml", "is of no task whose answers are extracted"),
    "no schema": (("--metric", "schema_valid"), None, "`schema_valid` needs a schema"),
    "to without record": (("--to", "r.tlog-proof"), "w.yaml", "`--to` goes with `--record`"),
    "record without workload": (("--kind", "sentiment", "--record"), None, "`--record` needs a workload"),
    "record of one task": (("--task", "triage", "--record"), "w.yaml", "is no evidence of a workload"),
    "receipt over a file": (("--record", "--to", "notes.txt"), "w.yaml", "is something else"),
    "a day that is past": (("--record", "--valid-until", "2020-01-01"), "w.yaml", "is past"),
    "receipt of memory": (("--record", "--to", "r", "--ledger", "sqlite:///:memory:"), "w.yaml", "in memory"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_refused_and_nothing_is_left(scene: ParityScene, case: str) -> None:
    arguments, file, why = REFUSED[case]
    (scene.folder / "notes.txt").write_text("mine", encoding="utf-8")
    before = sorted(scene.folder.iterdir())
    found = scene.parity(*arguments, file=file)
    assert (found.status, found.out) == (2, "")
    assert why in " ".join(found.err.split()), found.err
    assert "Traceback" not in found.err
    assert sorted(scene.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("library", "kind", "more"),
    [
        ("sklearn", "sentiment", ()),
        ("rouge_score.rouge_scorer", "summarisation", ()),
        ("jsonschema", "extraction", ("--schema", "s.json")),
        ("numpy", "extraction", ()),
    ],
)
def test_a_missing_extra_is_named(
    scene: ParityScene, monkeypatch: pytest.MonkeyPatch, library: str, kind: str, more: tuple[str, ...]
) -> None:
    import sys

    (scene.folder / "s.json").write_text("{}", encoding="utf-8")
    monkeypatch.setitem(sys.modules, library, None)
    found = scene.parity("--kind", kind, *more, file=None)
    assert (found.status, found.out) == (2, "")
    assert "pip install 'policy-engine[parity]'" in found.err
