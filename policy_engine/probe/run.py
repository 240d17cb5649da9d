"""One run of the probe, from the choice of devices to the report. Only `policy probe` imports this.

    1. which devices; for a CPU, how many threads
    2. memory by touch
    3. the works are set up, in the precisions that the device has
    4. three interleaved rounds of copies, products, and a decode step
    5. a product that is kept up, on all devices at once
    6. copies from the host, and between devices
    7. what the driver says, asked while the device is still at its clocks

It never raises on odd hardware: what fails is said in the report, and the rest is measured.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from policy_engine.probe.between import host_to_device, peers
from policy_engine.probe.budget import Budget
from policy_engine.probe.device import Bench, choose, one_line, torch, versions
from policy_engine.probe.disturbed import signs
from policy_engine.probe.identity import describe_host, last_level_cache_bytes
from policy_engine.probe.nvml import Told, ask, nvml
from policy_engine.probe.report import Device, Memory, Rate, RateName, Report, Sustained
from policy_engine.probe.sampling import NO_TIME, measure, switches
from policy_engine.probe.sustained import sustain
from policy_engine.probe.threads import choose_threads
from policy_engine.probe.touch import touch
from policy_engine.probe.work import TooLittleMemoryError, Work, copy_work, decode_work, product_work

_TILE_VALUES = 1 << 22
_NO_HARDWARE = "this device has no hardware for it"


class Subject(Struct):
    """A device while it is measured."""

    bench: Bench
    memory: Memory | None = None
    works: list[Work] = []
    failed: list[Rate] = []
    rates: tuple[Rate, ...] = ()
    sustained: Sustained | None = None
    threads: int | None = None
    switched: int = 0
    host_copy: Rate | None = None
    told: Told | None = None


def probe(
    wanted: str | None, seconds: float, seed: int, began: float | None = None, memory_bytes: int | None = None
) -> Report:
    """Measure the devices that `wanted` names (None: what is there) within `seconds` since `began`.

    `memory_bytes` is what is claimed of each, and no more is touched; None: as much as there is time for.

    Raises:
        UsageError: torch is not there, or not such a device.
    """
    budget = Budget(seconds, began)
    library = torch()
    measured_at = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    devices = choose(library, wanted)
    budget.plan(long_touch=memory_bytes is not None)
    notes: list[str] = []
    with warnings.catch_warnings(), library.inference_mode(), nvml() as driver:
        warnings.simplefilter("ignore")  # libraries' advice to programmers
        subjects = [Subject(Bench(library, each)) for each in devices]
        between = _measure(subjects, seed, budget, driver, notes, memory_bytes)
        found = tuple(_device(each) for each in subjects)
    host = describe_host()
    if between:
        notes.append(f"copies between devices: each to the next, {len(between)} pairs")
    return Report(
        measured_at=measured_at,
        seconds=round(budget.spent, 2),
        seed=seed,
        host=host,
        devices=found,
        versions=versions(library),
        between=between,
        notes=tuple(notes),
    )


def _measure(
    subjects: Sequence[Subject],
    seed: int,
    budget: Budget,
    driver: Any,
    notes: list[str],
    memory_bytes: int | None,
) -> tuple[Rate, ...]:
    library = subjects[0].bench.torch
    for subject in subjects:
        _set_threads(subject, budget, notes)
    tile = library.randn(_TILE_VALUES // 4, generator=library.Generator().manual_seed(seed))
    for place, subject in enumerate(subjects):
        with budget.narrowed("touch", len(subjects) - place):
            subject.memory = touch(subject.bench, seed, lambda: budget.left_of("touch"), memory_bytes)
    for subject in subjects:
        _set_up(subject, tile, seed, budget)
    for place, subject in enumerate(subjects):
        before = switches()
        with budget.narrowed("rounds", len(subjects) - place):
            subject.rates = measure(subject.bench, subject.works, budget)
        subject.switched = switches() - before
    kept = sustain([each.bench for each in subjects], [_product_of(each) for each in subjects], budget)
    for subject, sustained in zip(subjects, kept, strict=True):
        subject.sustained = sustained
        subject.told = ask(driver, subject.bench.uuid) if subject.bench.backend == "cuda" else None
        subject.works.clear()
        subject.bench.release()
    for place, subject in enumerate(subjects):
        if not subject.bench.is_cpu:
            # as many copies between devices follow, and have their share
            with budget.narrowed("between", 2 * len(subjects) - place):
                subject.host_copy = host_to_device(subject.bench, tile, budget)
    return peers([each.bench for each in subjects], tile, budget)


def _set_threads(subject: Subject, budget: Budget, notes: list[str]) -> None:
    if not subject.bench.is_cpu:
        return
    try:
        subject.threads = choose_threads(subject.bench, budget)
    except Exception as error:  # noqa: BLE001 - then torch's own choice is measured
        subject.threads = subject.bench.torch.get_num_threads()
        notes.append(f"the number of threads is torch's own: {one_line(error)}")


def _set_up(subject: Subject, tile: Any, seed: int, budget: Budget) -> None:
    """Make the works that the device can do, as far as there is time; the others are rates with a problem."""
    bench = subject.bench
    cache = _cache_bytes(bench)
    makers: list[tuple[RateName, Callable[[], Work]]] = [
        ("fp32", lambda: product_work(bench, "fp32", seed + 1, budget.clock)),
        ("bf16", lambda: product_work(bench, "bf16", seed + 2, budget.clock)),
        ("copy", lambda: copy_work(bench, tile, cache)),
        ("decode", lambda: decode_work(bench, tile, cache)),
        ("fp16", lambda: product_work(bench, "fp16", seed + 3, budget.clock)),
        ("fp8", lambda: product_work(bench, "fp8", seed + 4, budget.clock)),
    ]
    for name, make in makers:
        problem = _unsuited(bench, name) or (NO_TIME if budget.left_of("rounds") <= 0 else None)
        try:
            if problem is None:
                work = make()
                bench.synchronize(work.call(0))
                subject.works.append(work)
        except TooLittleMemoryError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - a device that lacks a precision says so in many ways
            problem = one_line(error)
        if problem is not None:
            subject.failed.append(Rate(name=name, problem=problem))


def _unsuited(bench: Bench, name: str) -> str | None:
    """Say why a precision is not measured: without hardware for it a product takes seconds, and says nothing."""
    if name in ("fp16", "fp8") and bench.is_cpu:
        return _NO_HARDWARE
    if name == "fp8" and bench.backend == "cuda":
        capability = (getattr(bench.properties, "major", 0), getattr(bench.properties, "minor", 0))
        return None if capability >= (8, 9) else _NO_HARDWARE
    return f"fp8 is not measured on {bench.backend}" if name == "fp8" else None


def _cache_bytes(bench: Bench) -> int:
    if bench.is_cpu:
        return last_level_cache_bytes() or 64 << 20
    return int(getattr(bench.properties, "L2_cache_size", 0) or 64 << 20)


def _product_of(subject: Subject) -> Work | None:
    """Return the product that is kept up: in bf16, else in fp16 or fp32."""
    by_name = {work.name: work for work in subject.works}
    well = {rate.name for rate in subject.rates if rate.problem is None}
    return next((by_name[name] for name in ("bf16", "fp16", "fp32") if name in by_name and name in well), None)


def _device(subject: Subject) -> Device:
    bench, told = subject.bench, subject.told
    memory = subject.memory or Memory(total_bytes=None)
    rates = [*subject.rates, *subject.failed, *([subject.host_copy] if subject.host_copy else [])]
    found = signs(rates, subject.sustained, memory, is_cpu=bench.is_cpu, switched=subject.switched)
    unread = list(told.unread) if told is not None else []
    if told is None and not bench.is_cpu:
        unread.append(f"what the driver of a {bench.backend} device knows of other processes, power and throttling")
    return Device(
        index=bench.index,
        type=bench.device.type,
        backend=bench.backend,
        name=bench.name,
        uuid=bench.uuid,
        driver=told.driver if told is not None else None,
        ecc=told.ecc if told is not None else None,
        memory=memory,
        rates=tuple(rates),
        sustained=subject.sustained,
        threads=subject.threads,
        processors=os.cpu_count() if bench.is_cpu else None,
        disturbed=(*(told.disturbed if told is not None else ()), *found, *(f"not read: {each}" for each in unread)),
        unread=tuple(unread),
    )
