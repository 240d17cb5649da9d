"""`policy sweep --engine ray`: several workers, one of them killed, and a cluster by its address: the same findings."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from policy_engine.cli.main import call
from policy_engine.fleet.canonical import canonical_schema, frame_of, rows_of
from policy_engine.fleet.engine import FleetEngine
from policy_engine.fleet.intake import Job
from policy_engine.fleet.source import source_columns
from policy_engine.fleet.workspace import Workspace
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.workload_file import load_workloads
from tests.property.worlds import AT, shipped
from tests.unit.cli.given import EXAMPLES

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ROWS, BLOCK = 800, 100


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A cluster of two workers, at an address."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 100 << 20})
    yield found.address
    found.shutdown()


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """The tasks of the examples that the kernel covers, again and again."""
    policy, found = shipped(), []
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for loaded in load_workloads(path, None, policy.vocabulary):
            evidence = check_evidence(loaded.workload, AT.date(), path.parent)
            found += [row for row in rows_of(loaded.workload, evidence, policy) if row["hardware"] is None]
    schema = canonical_schema(policy)
    again = [found[number % len(found)] | {"row": number + 1} for number in range(ROWS)]
    return frame_of(again, schema)


def swept(rows: pl.DataFrame, address: str | None, folder: Path) -> pl.DataFrame:
    from policy_engine.fleet.on_ray import OnRay

    policy = shipped()
    job = Job(policy, AT, source_columns(policy.vocabulary))
    with Workspace(folder / "out") as space:
        return OnRay(FleetEngine(policy, AT), job, address).findings(rows.lazy(), (), space).collect()


def test_workers_of_a_cluster_find_the_same_though_one_is_killed(
    cluster: str, rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import cloudpickle

    from policy_engine.fleet import on_ray

    decide, seen = on_ray._decided, str(tmp_path)

    def dying(block: Any, **given: Any) -> Any:
        """Decide a block; the worker that is the first to have the third one is killed over it."""
        first = block["row"][0].as_py()
        died = Path(seen, "died")
        if first == 2 * BLOCK + 1 and not died.exists():
            died.write_text(str(os.getpid()), encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
        Path(seen, f"{first}-{os.getpid()}").touch()
        return decide(block, **given)

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(on_ray, "_decided", dying)
    monkeypatch.setattr(on_ray, "ROWS_IN_BLOCK", BLOCK)
    found = swept(rows, cluster, tmp_path)
    wanted = FleetEngine(shipped(), AT).findings(rows.lazy()).collect()
    assert found.schema == wanted.schema
    assert found.equals(wanted)
    died = int((tmp_path / "died").read_text(encoding="utf-8"))
    decided = [path.name.split("-") for path in tmp_path.iterdir() if path.name[0].isdigit()]
    assert {int(first) for first, _ in decided} == set(range(1, ROWS, BLOCK))
    workers = {int(process) for _, process in decided}
    assert len(workers - {died, os.getpid()}) >= 2


def test_the_command_is_the_same_on_a_ray_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_CACHE_DIR", str(tmp_path / "cache"))
    at = ("--at", AT.isoformat(), "-o", f"json={tmp_path}/s.json")
    out = [tmp_path / f"{name}.parquet" for name in ("polars", "ray")]
    for path in out:
        given = ["sweep", str(EXAMPLES), "--to", str(path), "--engine", path.stem, *at]
        assert call(given) == 0
    one, other = map(pl.read_parquet, out)
    assert one.height > 10
    assert one.schema == other.schema
    assert one.equals(other)
    assert (
        pl.read_parquet_metadata(out[0])["policy-engine.index"]
        == pl.read_parquet_metadata(out[1])["policy-engine.index"]
    )


def test_a_cluster_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [
        "sweep",
        str(EXAMPLES),
        "--to",
        str(tmp_path / "out.csv"),
        "--engine",
        "ray",
        "--ray-address",
        "127.0.0.1:1",
    ]
    assert call(given) == 2
    error = capsys.readouterr().err
    assert "[ray]" in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []
