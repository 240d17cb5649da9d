"""Answers to the questions of `policy new --complete`, as people type them."""

from __future__ import annotations

from typing import Any

import pytest

from policy_engine.cli.new_answers import read_answer, wanted
from policy_engine.cli.new_questions import AnswerError
from policy_engine.completion import fact_at
from policy_engine.loading.vocabulary_file import read_vocabulary
from policy_engine.model.vocabulary import Fact
from tests.unit.cli.given import ROOT

SHIPPED = read_vocabulary(ROOT / "rules")


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("task.batch", "Yes", True),
        ("task.batch", "false", False),
        ("volume.requests_per_day", "1,000_000", 1_000_000),
        ("budget.monthly_usd", "$1,500.50", 1500.5),
        ("budget.monthly_usd", "1500", 1500),
        ("team.mlops", " mature ", "mature"),
        ("data.residency", "eu, us", ["eu", "us"]),
        ("data.residency", "[eu]", ["eu"]),
        ("data.regulations", "none", []),
        ("task.modalities", "text,vision", ["text", "vision"]),
        ("proposal.model", "llama 3: big", "llama 3: big"),
        ("migration", "none", "none"),
    ],
)
def test_answers(name: str, given: str, value: Any) -> None:
    found = read_answer(SHIPPED.facts.get(name) or fact_at(("spec", name), SHIPPED), given)
    assert found == value
    assert type(found) is type(value)


def test_every_fact_says_what_it_wants() -> None:
    for fact in SHIPPED.facts.values():
        assert wanted(fact)
        with pytest.raises(AnswerError):
            read_answer(fact, "\x00")
    assert wanted(Fact("x", "int", "", unit="ms")) == "a whole number of ms"
