"""The fleet on Ray Data (extra `ray`): the same kernel over blocks, on one machine or a cluster.

Blocks go through Ray's object store, so that a cluster needs no file system in common. What a worker was deciding is
decided again on another where it is lost. Nothing is sent anywhere but to the cluster.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

import polars as pl
import ray
import ray.data

from policy_engine.errors import Problem, UsageError
from policy_engine.fleet.columns import ROW
from policy_engine.fleet.engine import FleetEngine
from policy_engine.fleet.intake import Job
from policy_engine.fleet.workspace import Workspace
from policy_engine.loading.policy import Policy

ROWS_IN_BLOCK = 50_000
#: The object store of a Ray that is started here, in bytes; what does not fit it is spilled to disk.
OBJECT_STORE = 256 * 1024 * 1024
_FOUND = "ray-findings"
_ANSWER_SECONDS = 5


class OnRay:
    """Decides on Ray what the kernel covers: on the cluster at `address`, else on one started here for this run."""

    def __init__(self, engine: FleetEngine, job: Job, address: str | None = None, workers: int | None = None) -> None:
        self._engine, self._job, self._address = engine, job, address
        self._workers = workers or os.cpu_count() or 1

    def findings(self, rows: pl.LazyFrame, keep: Sequence[str], space: Workspace) -> pl.LazyFrame:
        """Return the findings of `rows`, in their order.

        Raises:
            UsageError: the cluster cannot be reached or started, or lost the run.
        """
        schema = self._engine.findings(rows.clear(), keep).collect_schema()
        with _connected(self._address, self._workers):
            self._run(rows, tuple(keep), space, schema)
        parts = space.parts(_FOUND)
        return pl.scan_parquet(parts, glob=False) if parts else pl.DataFrame(schema=schema).lazy()

    def _run(self, rows: pl.LazyFrame, keep: tuple[str, ...], space: Workspace, schema: pl.Schema) -> None:
        blocks = [ray.put(block) for block in _blocks(rows)]
        if not blocks:
            return
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        policy = ray.put(self._job.policy)
        source = ray.data.from_arrow_refs(blocks)
        made = source.map_batches(
            _decided,
            batch_size=None,
            batch_format="pyarrow",
            fn_kwargs={"policy": policy, "digest": self._job.policy.digest, "at": self._job.at, "keep": keep},
        )
        for block in made.iter_batches(batch_size=None, batch_format="pyarrow"):
            frame = pl.DataFrame(pl.from_arrow(block)).cast(dict(schema)).select(schema.names())  # type: ignore[arg-type]
            if frame.height:
                # by its first row: the parts are read in the order of their names
                frame.write_parquet(space.part(_FOUND, frame[ROW][0]), compression="lz4")


@contextmanager
def _connected(address: str | None, workers: int) -> Iterator[None]:
    """Be connected to the cluster at `address`, else to one of this machine alone, which ends with this.

    Raises:
        UsageError: it cannot be reached or started, or lost the run.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    # its sockets stand there, whose paths may not be long
    folder = tempfile.mkdtemp(prefix="policy-ray-")
    own: dict[str, Any] = {"num_cpus": workers, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    own |= {"_node_ip_address": "127.0.0.1", "_temp_dir": folder}
    try:
        if address is not None:
            _check_reachable(address)
        ray.init(**({"address": address} if address is not None else own), **quiet)
        yield
    except (ray.exceptions.RayError, OSError, ValueError, RuntimeError, SystemExit) as error:
        raise _lost(error) from error
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _check_reachable(address: str) -> None:
    """Raise OSError where nobody answers at `host:port`: Ray would ask for minutes, and end the process."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()


def _lost(error: BaseException) -> UsageError:
    reason = str(error).strip().partition("\n")[0][:200].lower()
    message = f"Ray cannot do it: {reason or type(error).__name__}"
    return UsageError(Problem("ray", message, help="see that the cluster runs, or leave `--engine ray` out"))


def _blocks(rows: pl.LazyFrame) -> Iterator[Any]:
    """Yield the rows as Arrow tables, in order."""
    for frame in rows.collect_batches(chunk_size=ROWS_IN_BLOCK, maintain_order=True, engine="streaming"):
        if frame.height:
            yield frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _decided(block: Any, policy: Any, digest: str, at: datetime, keep: tuple[str, ...]) -> Any:
    """Decide a block; runs on a worker."""
    engine = _engine(_Given(policy, digest), at)
    rows = pl.DataFrame(pl.from_arrow(block)).lazy()
    return engine.findings(rows, keep).collect().to_arrow(compat_level=pl.CompatLevel.oldest())


class _Given:
    """A policy by its digest, fetched where a worker has it not yet."""

    def __init__(self, policy: Any, digest: str) -> None:
        self.policy, self.digest = policy, digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Given) and self.digest == other.digest


@lru_cache(maxsize=2)
def _engine(given: _Given, at: datetime) -> FleetEngine:
    policy: Policy = given.policy if isinstance(given.policy, Policy) else ray.get(given.policy)
    return FleetEngine(policy, at)
