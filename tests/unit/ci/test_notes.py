"""What else a run has to tell is in every report."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.unit.ci.scene import OPEN, judge


@pytest.mark.parametrize("name", ["sarif", "junit", "github", "gitlab", "comment"])
def test_notes_are_in_every_report(name: str) -> None:
    judged = judge(("w.yaml", OPEN))
    judged.notes = ("1 workload judged, 7 unchanged since main", "deleted and not gated any more")
    text = import_module(f"policy_engine.ci.{name}").render(judged, 5)
    for note in judged.notes:
        assert note in text


@pytest.mark.parametrize("name", ["sarif", "junit", "github", "gitlab", "comment"])
def test_a_name_that_several_workloads_have_is_told(name: str) -> None:
    text = import_module(f"policy_engine.ci.{name}").render(judge(("a.yaml", OPEN), ("b.yaml", OPEN)), 5)
    assert "drafts/assistant is the name of 2 workloads: in a.yaml and b.yaml" in text
    assert "is the name of" not in import_module(f"policy_engine.ci.{name}").render(judge(("a.yaml", OPEN)), 5)
