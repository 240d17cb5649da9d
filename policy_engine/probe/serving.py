"""Hold a claimed rate of answers to the roofline that was measured: it can be contradicted, and never verified.

How fast a stack answers hangs on the stack; what the devices' bandwidth allows is a bound of every stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from policy_engine.catalog.boxes import has_gpu
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import NO_GPU, GpuClaim, HardwareClaim
from policy_engine.catalog.devices import is_one_host
from policy_engine.catalog.findings import judge_claim
from policy_engine.catalog.sizing import QUANTIZATIONS, decode_ceiling_tokens_per_s
from policy_engine.probe.report import Device, Rate
from policy_engine.probe.verdict import ClaimVerdict, Judgement

Matched = Sequence[tuple[GpuClaim, Sequence[Device]]]


def serving_verdicts(
    catalog: Catalog, claim: HardwareClaim, matched: Matched, slack: Callable[[Device, Rate], float]
) -> Iterator[ClaimVerdict]:
    """Yield a verdict on the rate that the hardware is said to serve, where one is claimed."""
    serves = claim.serves
    if serves is None or serves.tokens_per_hour is None:
        return
    judged = _judge(catalog, claim, matched, slack)
    yield ClaimVerdict("serves.tokens_per_hour", None, serves.tokens_per_hour, "tokens/hour", *judged)


def _judge(
    catalog: Catalog, claim: HardwareClaim, matched: Matched, slack: Callable[[Device, Rate], float]
) -> Judgement:
    serves, ceiling = claim.serves, _ceiling_tokens_per_s(catalog, claim, matched, slack)
    said = "what bounds the rate is not known: model, precision, concurrency or bandwidth"
    most = None
    if ceiling is not None and serves is not None and serves.tokens_per_hour is not None:
        claimed, most = serves.tokens_per_hour / 3600, ceiling * 3600
        said = f"{claimed:,.1f} tokens/s against at most {ceiling:,.1f} by the bandwidth measured"
        if claimed > ceiling:
            return Judgement("contradicted", said, (), None, most)
        said = f"{said}; only a measurement of the serving stack could verify it"
    arithmetic = judge_claim(catalog, claim)
    if arithmetic.verdict == "contradicted":
        return Judgement("contradicted", arithmetic.why, basis="arithmetic")
    return Judgement("unverifiable", said, (), None, most)


def _ceiling_tokens_per_s(
    catalog: Catalog, claim: HardwareClaim, matched: Matched, slack: Callable[[Device, Rate], float]
) -> float | None:
    """Return the most tokens a second that the measured bandwidth allows; None where a part of that is not known."""
    serves = claim.serves
    model = catalog.model(serves.model) if serves is not None else None
    if serves is None or model is None or serves.concurrency is None:
        return None
    bandwidth = 0.0
    beside = has_gpu([gpu for gpu, _ in matched])
    for gpu, devices in matched:
        count = 1 if is_one_host(gpu) else gpu.count
        if gpu.name == NO_GPU and beside:
            continue  # a host's memory serves no model beside a GPU
        rates = [(device, rate) for device in devices if (rate := device.rate("copy")) is not None]
        most = [rate.best * slack(device, rate) for device, rate in rates if rate.best is not None]
        if not most or count is None or gpu.name is None:
            return None  # of a device that is not named, nothing that was measured need be true
        bandwidth += max(most) * count * 1e9
    # what is not said takes the value that allows most
    context = 0.0 if model.kv_upper_bound else (serves.input_tokens or 0) + (serves.output_tokens or 0) / 2
    tried = QUANTIZATIONS if serves.quantization is None else (serves.quantization,)
    each = [decode_ceiling_tokens_per_s(model, q, bandwidth, serves.concurrency, context) for q in tried]
    known = [ceiling for ceiling in each if ceiling is not None]
    return max(known) * serves.concurrency if bandwidth and known else None
