"""`policy sweep` beside a ledger: waivers lift what they lift, and attested hardware is judged as it was measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import attesting
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.evidence_scene import HARDWARE, EvidenceScene
from tests.unit.cli.sweep_scene import findings
from tests.unit.cli.test_attested import attested
from tests.unit.cli.waiver_scene import WORKLOAD, Scene
from tests.unit.fleet.tables import jsonl, rows_of_document


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


def swept(scene: Any, source: Path, *more: str, status: int = 0) -> tuple[list[dict[str, Any]], Outcome]:
    """Sweep a source under the layer of a scene; return the findings and what was said."""
    out = scene.folder / "out.jsonl"
    out.unlink(missing_ok=True)
    found = scene.run("sweep", str(source), "--to", str(out), "--policy", str(scene.layer), "-o", "json", *more)
    assert found.status == status, found.err
    return findings(out), found


def sources(scene: Scene) -> list[Path]:
    """Return the scene's workload, with another one beside it, as a folder and as a table."""
    import yaml

    folder = scene.folder / "fleet"
    folder.mkdir(exist_ok=True)
    (folder / "w.yaml").write_text(WORKLOAD, encoding="utf-8")
    (folder / "x.yaml").write_text(WORKLOAD.replace("name: triage", "name: other"), encoding="utf-8")
    table = scene.folder / "fleet.jsonl"
    table.write_bytes(
        jsonl(
            [
                row
                for path in sorted(folder.iterdir())
                for row in rows_of_document(yaml.safe_load(path.read_text(encoding="utf-8")))
            ]
        )
    )
    return [folder, table]


def test_a_waiver_on_record_lifts_as_it_does_for_evaluate(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scene.decide()["verdict"] == "deny"
    for source in sources(scene):
        rows, found = swept(scene, source)
        assert [row["verdict"] for row in rows] == ["deny", "deny"]
        assert found.json["one_by_one"] == 0
    identifier = scene.granted()
    decided = scene.decide()
    assert decided["verdict"] == "allow_with_conditions"
    before = len(scene.entries())
    for source in sources(scene):
        rows, found = swept(scene, source)
        assert [row["verdict"] for row in rows] == ["allow_with_conditions", "deny"]
        assert found.json["one_by_one"] == 1
    assert len(scene.entries()) == before, "nothing is recorded that was not asked for"
    assert scene.run("waiver", "revoke", identifier, "--reason", "enough").status == 0
    rows, _ = swept(scene, scene.folder / "fleet")
    assert [row["verdict"] for row in rows] == ["deny", "deny"]


def test_a_waiver_that_was_used_is_recorded_as_used(scene: Scene) -> None:
    scene.granted()
    folder, _ = sources(scene)
    rows, found = swept(scene, folder, "--record")
    assert (found.json["recorded"], rows[0]["verdict"]) == (2, "allow_with_conditions")
    assert [entry["body"]["decision"] for entry in scene.entries("waiver-used")] == [rows[0]["decision"]]
    assert scene.verified()
    assert scene.run("audit", "replay", "--all").status == 0


def test_without_a_ledger_it_is_said_that_no_waiver_was_looked_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.granted()
    folder, _ = sources(scene)
    monkeypatch.delenv("POLICY_LEDGER")
    rows, found = swept(scene, folder)
    assert [row["verdict"] for row in rows] == ["deny", "deny"]
    assert "none was looked for; name the ledger with --ledger" in found.err


def test_a_ledger_that_is_not_there_is_an_error(scene: Scene) -> None:
    folder, _ = sources(scene)
    found = scene.run(
        "sweep", str(folder), "--to", "out.csv", "--ledger", "sqlite:///nowhere.db", "--policy", str(scene.layer)
    )
    assert found.status == 6
    assert not (scene.folder / "out.csv").exists()


def test_attested_hardware_is_judged_as_it_was_measured(
    tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = EvidenceScene(tmp_path, policy, monkeypatch.setenv)
    small = attesting.memory(touched_gib=38.0, total_gib=39.4)
    report = attesting.report(*(attesting.device(i, memory=small) for i in (0, 1)))
    scene.state(HARDWARE, ledger_index=attested(scene, report))
    decided = scene.decide()
    assert decided["verdict"] == "deny"
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "w.yaml").write_bytes(scene.workload.read_bytes())
    for more in ((), ("--record",)):
        (row,), found = swept(scene, folder, *more)
        assert row["verdict"] == "deny"
        assert {"measured-hardware-contradicted", "claimed-hardware-contradicted"} <= set(row["fired"])
        assert found.json["one_by_one"] == 1
