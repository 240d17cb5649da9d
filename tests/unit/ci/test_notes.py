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
