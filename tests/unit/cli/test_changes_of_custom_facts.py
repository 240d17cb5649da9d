"""Changes of facts that a layer declares: what a file may say of them is tried, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import AT

FACTS = """\
facts:
  custom.kinds: {type: list<string>, values: [a, b], meaning: M.}
  custom.s: {type: string, meaning: M.}
"""
RULE = """\
id: own-rule
title: T
origin: us
when: "'a' in custom.kinds || custom.s.matches('^[a-c]+$') || custom.s == 'word'"
forbid: [self_hosted, open_api, open_batch, proprietary_api]
enforcement: mandatory
message: M.
"""
WORKLOAD = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {{name: w, owner: a@example.org}}
spec:
  stage: pilot
  tasks: [{{name: t, kind: coding, proposal: {{deployment: proprietary_api, model: gpt-4o}}}}]
  custom: {custom}
"""


@pytest.fixture
def changes(policy: Callable[..., Outcome], tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Decide a workload with these custom facts: the verdict, and the verdicts of changes by fact and condition."""
    layer = tmp_path / "layer"
    (layer / "life-cycle").mkdir(parents=True)
    (layer / "vocabulary.yaml").write_text(FACTS, encoding="utf-8")
    (layer / "life-cycle/own-rule.yaml").write_text(RULE, encoding="utf-8")

    def decide(custom: str) -> dict[str, Any]:
        (tmp_path / "w.yaml").write_text(WORKLOAD.format(custom=custom), encoding="utf-8")
        given = ("evaluate", str(tmp_path / "w.yaml"), "--policy", str(layer), "--ledger", "sqlite:///:memory:", *AT)
        found = policy(*given, "-o", "json")
        assert found.status == 0, found.err
        rows = found.json["tasks"][0]["counterfactuals"]
        values = {(row["fact"], row["op"], str(row.get("values", row.get("value")))): row["verdict"] for row in rows}
        return {"verdict": found.json["verdict"]} | {key: values[key] for key in values if key[0].startswith("custom.")}

    return decide


def test_the_last_member_of_a_list_may_go(changes: Callable[[str], dict[str, Any]]) -> None:
    found = changes("{kinds: [a], s: zz}")
    assert found["verdict"] == "deny"
    assert found["custom.kinds", "remove", "['a']"] == changes("{kinds: [], s: zz}")["verdict"] == "review"


def test_a_pattern_is_no_value(changes: Callable[[str], dict[str, Any]]) -> None:
    found = changes("{kinds: [], s: zz}")
    assert found["custom.s", "==", "word"] == changes("{kinds: [], s: word}")["verdict"] == "deny"
    assert not any("^" in str(key) for key in (*found, *changes("{kinds: [], s: abc}")))
