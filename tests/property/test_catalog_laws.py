"""Laws of the catalog: more knowledge never reverses an answer, and the same question has the same answer."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from policy_engine.catalog import (
    Catalog,
    GpuClaim,
    HardwareClaim,
    Needs,
    OptionModels,
    ServesClaim,
    build_catalog,
    choose,
    judge_claim,
    judge_hardware,
    judge_serving,
    summed,
)
from policy_engine.loading.policy import load_policy

PARAMETERS = {
    "high_quality_score": 85.0,
    "catalog_stale_days": 365,
    "edge_max_parameters_billions": 8.5,
    "memory_utilisation": 0.9,
    "memory_overhead_gib": 3.5,
    "collective_overhead_gib": 0.4,
    "card_gib_per_gb": 0.99,
    "engineer_usd_per_month": 0.0,
    "self_hosting_engineers": 1.0,
}
FILES = load_policy(use_cache=False).catalog_documents[0][1]
OWN = {"source": "us", "as_of": "2026-01-01"}
PLACES = {
    "openai": {"options": ["proprietary_api"], "regions": ["us-east-1"], **OWN},
    "anthropic": {"options": ["proprietary_api"], "regions": ["eu"], **OWN},
    "google": {"options": ["proprietary_api"], "regions": ["us", "ch"], **OWN},
    "sutro": {"options": ["open_batch"], "regions": ["us"], **OWN},
}
SHIPPED = build_catalog([("shipped", FILES)], PARAMETERS)
#: With regions known, so that residency decides something.
PLACED = build_catalog([("shipped", FILES), ("own", {"own": {"providers": PLACES}})], PARAMETERS)
AT = date(2026, 11, 22)
OPTIONS = ("proprietary_api", "open_api", "open_batch", "self_hosted", "edge")
MODELS = ["llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "mixtral-8x7b", "qwen3-4b", "qwq-32b", "no-such-model"]
QUANTIZATIONS = ["bf16", "fp8", "int8", "int4"]

amounts = st.one_of(
    st.floats(0.5, 100_000), st.sampled_from([16.0, 80.0, 81.0, 83.2, 85.0, 141.0, 312.0, 2039.0, 2120.0])
)
gpus = st.builds(
    GpuClaim,
    name=st.sampled_from(["NVIDIA A100-SXM4-80GB", "H100", "T4", "NVIDIA H200", "Frobnicator 9", "cpu"]),
    count=st.integers(1, 16),
    memory_gb=st.one_of(st.none(), amounts),
    memory_gib=st.one_of(st.none(), amounts),
    bandwidth_gb_s=st.one_of(st.none(), amounts),
    bf16_tflops=st.one_of(st.none(), amounts),
    fp32_tflops=st.one_of(st.none(), amounts),
)
serves = st.builds(
    ServesClaim,
    model=st.sampled_from(MODELS),
    quantization=st.sampled_from(QUANTIZATIONS),
    tokens_per_hour=st.one_of(st.floats(1, 1e9), st.sampled_from([158_760.0])),
    concurrency=st.integers(1, 2000),
    input_tokens=st.integers(0, 200_000),
    output_tokens=st.integers(0, 200_000),
)
claims = st.builds(
    HardwareClaim,
    gpus=st.lists(gpus, min_size=1, max_size=2).map(tuple),
    usd_per_hour=st.one_of(st.none(), st.floats(0.1, 100)),
    serves=st.one_of(st.none(), serves),
)
known_needs = st.builds(
    Needs,
    kind=st.sampled_from(["classification", "coding", "agentic"]),
    complexity=st.sampled_from(["simple", "standard", "complex"]),
    quality=st.sampled_from(["sufficient", "high", "best"]),
    modalities=st.lists(st.sampled_from(["text", "vision", "audio", "tool_use"]), min_size=1, unique=True).map(tuple),
    context_tokens=st.one_of(st.integers(1, 2_000_000), st.sampled_from([8192, 8193, 131_072, 131_073])),
    min_scores=st.dictionaries(st.sampled_from(["mmlu", "humaneval", "gsm8k"]), st.floats(50, 100), max_size=2),
    commercial_use=st.booleans(),
    residency=st.one_of(
        st.just(("anywhere",)),
        st.lists(st.sampled_from(["eu", "us", "de", "ch", "mars"]), min_size=1, unique=True).map(tuple),
    ),
    edge_wanted=st.booleans(),
    input_tokens_per_month=st.floats(0, 1e12),
    output_tokens_per_month=st.floats(0, 1e12),
    hardware=st.one_of(st.none(), claims),
    routed=st.booleans(),
)
CAN_BE_UNKNOWN = [each.name for each in fields(Needs) if each.name not in ("kind", "hardware", "routed")]


FIGURES = ("memory_gb", "memory_gib", "bandwidth_gb_s", "bf16_tflops", "fp32_tflops")


def forget_some(draw: st.DrawFn, claim: HardwareClaim) -> HardwareClaim:
    """Make leaves unknown that the claim declares."""
    found: list[GpuClaim] = []
    for gpu in claim.gpus or ():
        declared = [name for name in ("name", "count") if getattr(gpu, name) is not None]
        figures = [name for name in FIGURES if getattr(gpu, name) is not None]
        gone = draw(st.sets(st.sampled_from([*declared, *figures])))
        found.append(replace(gpu, **dict.fromkeys(gone), unknown=frozenset(gone)))
    served = claim.serves
    if served is not None:
        gone = draw(st.sets(st.sampled_from([each.name for each in fields(ServesClaim)])))
        blank: dict[str, Any] = dict.fromkeys(gone)
        served = replace(served, **blank)
    kept = draw(st.sampled_from([tuple(found), tuple(found), tuple(found), None]))
    return replace(claim, gpus=kept, serves=served)


@st.composite
def claim_and_less(draw: st.DrawFn) -> tuple[HardwareClaim, HardwareClaim]:
    claim = draw(claims)
    return claim, forget_some(draw, claim)


@st.composite
def needs_and_less(draw: st.DrawFn) -> tuple[Needs, Needs]:
    needs = draw(known_needs)
    gone: dict[str, Any] = dict.fromkeys(draw(st.sets(st.sampled_from(CAN_BE_UNKNOWN), max_size=4)))
    less = replace(needs, **gone)
    if less.min_scores and draw(st.booleans()):
        less = replace(less, min_scores=dict.fromkeys(less.min_scores))
    if less.hardware is not None and draw(st.booleans()):
        less = replace(less, hardware=forget_some(draw, less.hardware))
    return needs, less


def consistent(less: object, more: object) -> bool:
    return less is None or less == more


@settings(max_examples=600)
@given(claim_and_less(), st.sampled_from(MODELS), st.sampled_from(QUANTIZATIONS), st.integers(1, 300_000), st.data())
def test_less_knowledge_never_lets_a_contradicted_claim_hold(
    pair: tuple[HardwareClaim, HardwareClaim], model: str, quantization: str, context: int, data: st.DataObject
) -> None:
    more, less = pair
    known = judge_serving(SHIPPED, more, model, quantization, context).verdict
    asked = (
        data.draw(st.sampled_from([model, None])),
        data.draw(st.sampled_from([quantization, None])),
        data.draw(st.sampled_from([context, None])),
    )
    found = judge_serving(SHIPPED, less, *asked)
    if known is not None:
        assert consistent(found.verdict, known), (found, known)
    assert found.verdict is not None or found.missing
    if judge_claim(SHIPPED, more).verdict is not None:
        assert consistent(judge_claim(SHIPPED, less).verdict, judge_claim(SHIPPED, more).verdict)


def assert_rows_consistent(less: HardwareClaim, more: HardwareClaim) -> None:
    """Taking knowledge away leaves each single claim as it was judged, or unverifiable."""
    known = {(each.row, each.name): each.verdict for each in judge_hardware(SHIPPED, more)}
    found = judge_hardware(SHIPPED, less)
    for each in found:
        assert each.verdict in ("unverifiable", known.get((each.row, each.name), "unverifiable")), (each, known)
        assert each.verdict != "unverifiable" or each.claimed is not None or each.missing, each
    assert judge_claim(SHIPPED, less) == summed(found)


@settings(max_examples=1500)
@given(claim_and_less())
def test_less_knowledge_never_reverses_a_single_claim(pair: tuple[HardwareClaim, HardwareClaim]) -> None:
    more, less = pair
    assert_rows_consistent(less, more)
    rows = judge_hardware(SHIPPED, more)
    verdicts = {each.verdict for each in rows if each.decides}
    expected = "contradicted" if "contradicted" in verdicts else None if "unverifiable" in verdicts else "holds"
    assert judge_claim(SHIPPED, more).verdict == expected
    # a figure that is above the published one rules out whatever is proposed on the hardware
    if any(each.verdict == "contradicted" for each in rows if each.row is not None):
        assert judge_serving(SHIPPED, more, "llama-3.1-8b", "int4", 1).verdict == "contradicted"


@settings(max_examples=1000)
@given(
    st.one_of(
        st.decimals(Decimal("0.5"), 1000, places=3),
        st.sampled_from([Decimal(n) for n in ("80", "83.2", "16.64", "16")]),
    ),
    st.sampled_from(["NVIDIA A100-SXM4-80GB", "T4", "H100", "Frobnicator 9"]),
    st.sampled_from(["llama-3.1-8b", "llama-3.1-70b", "qwen3-4b"]),
    st.sampled_from(QUANTIZATIONS),
)
def test_the_unit_of_the_memory_decides_nothing(gb: Decimal, name: str, model: str, quantization: str) -> None:
    gib = gb * Decimal("0.99")
    units = {"memory_gb": float(gb), "memory_gib": float(gib), "memory_mib": float(gib * 1024)}
    said = set()
    for unit, amount in units.items():
        figures: dict[str, Any] = {unit: amount}
        claim = HardwareClaim((GpuClaim(name, 1, **figures),))
        (row,) = (each for each in judge_hardware(SHIPPED, claim) if each.name == unit)
        judged = judge_serving(SHIPPED, claim, model, quantization, None)
        said.add((row.verdict, row.why, row.numbers, judged.verdict, judged.why, judged.numbers))
    assert len(said) == 1, said


LEAVES = ["name", "count", "memory_gb", "bandwidth_gb_s", "bf16_tflops"]
SERVED = [each.name for each in fields(ServesClaim)]


@st.composite
def near_the_limit(draw: st.DrawFn) -> HardwareClaim:
    """Draw a claim that is about as likely to hold as not, with every leaf declared."""
    gpu = GpuClaim(
        "NVIDIA A100-SXM4-80GB",
        draw(st.integers(1, 4)),
        memory_gb=draw(st.sampled_from([80.0, 80.0, 83.0, 84.0])),
        bandwidth_gb_s=draw(st.sampled_from([1000.0, 2039.0, 2039.0, 2200.0])),
        bf16_tflops=draw(st.sampled_from([312.0, 312.0, 312.0, 624.0])),
    )
    served = ServesClaim(
        draw(st.sampled_from(["llama-3.1-8b", "llama-3.1-70b"])),
        draw(st.sampled_from(QUANTIZATIONS)),
        draw(st.sampled_from([10_000.0, 100_000.0, 300_000.0, 1_000_000.0, 10_000_000.0])),
        draw(st.integers(1, 64)),
        draw(st.integers(0, 4000)),
        draw(st.integers(0, 4000)),
    )
    return HardwareClaim((gpu,), serves=served)


@settings(max_examples=1500)
@given(
    near_the_limit(),
    st.sampled_from([*LEAVES, *SERVED, "asked", "context"]),
    st.sampled_from(QUANTIZATIONS),
    st.sampled_from([1, 100_000, 1_000_000]),
)
def test_forgetting_one_leaf_never_lets_a_contradicted_claim_hold(
    claim: HardwareClaim, leaf: str, quantization: str, tokens: int
) -> None:
    assert claim.gpus is not None
    assert claim.serves is not None
    gpu, served = claim.gpus[0], claim.serves
    if leaf in LEAVES:
        gpu = replace(gpu, **{leaf: None}, unknown=frozenset({leaf}))  # type: ignore[arg-type]
    elif leaf in SERVED:
        served = replace(served, **{leaf: None})  # type: ignore[arg-type]
    less = HardwareClaim((gpu,), serves=served)
    context = None if leaf == "context" else tokens
    asked = None if leaf == "asked" else quantization
    known = judge_serving(SHIPPED, claim, claim.serves.model, quantization, tokens).verdict
    found = judge_serving(SHIPPED, less, claim.serves.model, asked, context).verdict
    assert found in (None, known)
    assert_rows_consistent(less, claim)


#: One to three rows, made once: to make a strategy takes as long as to draw from it.
ROWS = st.lists(
    st.builds(
        GpuClaim,
        st.sampled_from(["H200", "L4", "T4", "Card", "cpu"]),
        st.integers(1, 3),
        memory_gb=st.sampled_from([16.0, 24.0, 80.0, 141.0]),
        bandwidth_gb_s=st.sampled_from([300.0, 4800.0]),
        bf16_tflops=st.sampled_from([60.0, 900.0]),
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def several_rows(draw: st.DrawFn) -> HardwareClaim:
    """Draw a claim of one to three rows, some of them hosts, that serves a model whose cache may be a bound."""
    served = ServesClaim(
        draw(st.sampled_from(["gemma-3-27b", "llama-3.1-70b", "llama-3-8b"])),
        draw(st.sampled_from(QUANTIZATIONS)),
        draw(st.sampled_from([10_000.0, 1_000_000.0, 10_000_000_000.0])),
        draw(st.integers(1, 64)),
        draw(st.sampled_from([0, 1000, 8000, 100_000])),
        draw(st.sampled_from([0, 1000])),
    )
    return HardwareClaim(tuple(draw(ROWS)), usd_per_hour=1.0, serves=served)


@settings(max_examples=1500)
@given(several_rows(), st.sampled_from([*LEAVES, *SERVED]), st.integers(0, 2), st.sampled_from(QUANTIZATIONS))
def test_forgetting_one_leaf_of_one_of_several_rows_never_reverses_a_verdict(
    claim: HardwareClaim, leaf: str, place: int, quantization: str
) -> None:
    assert claim.gpus is not None
    assert claim.serves is not None
    gpus, served = list(claim.gpus), claim.serves
    if leaf in LEAVES:
        row = place % len(gpus)
        gpus[row] = replace(gpus[row], **{leaf: None}, unknown=frozenset({leaf}))  # type: ignore[arg-type]
    else:
        served = replace(served, **{leaf: None})  # type: ignore[arg-type]
    less = replace(claim, gpus=tuple(gpus), serves=served)
    for model in ("gemma-3-27b", "llama-3.1-70b"):
        known = judge_serving(SHIPPED, claim, model, quantization, 1000).verdict
        assert judge_serving(SHIPPED, less, model, quantization, 1000).verdict in (None, known)
    assert_rows_consistent(less, claim)


@settings(max_examples=600)
@given(needs_and_less(), st.sampled_from(OPTIONS), st.sampled_from([SHIPPED, PLACED]))
def test_less_knowledge_never_reverses_whether_an_option_is_available(
    pair: tuple[Needs, Needs], option: str, catalog: Catalog
) -> None:
    more, less = (choose(catalog, option, needs, AT) for needs in pair)
    if less.available is not None:
        assert more.available is less.available
        assert less.missing == ()
    else:
        assert less.missing
        assert less.chosen is None
    by_name = {each.name: each.qualifies for each in more.considered}
    for each in less.considered:
        if each.name in by_name and each.qualifies is not None:
            assert by_name[each.name] is each.qualifies, each
        assert (each.qualifies is None) <= bool(each.missing), each
    assert (more.chosen is not None) == (more.available is True)


def summary(found: OptionModels) -> tuple[object, ...]:
    return (found.available, found.chosen, found.provisional, found.considered, found.why, found.advice, found.cost)


@settings(max_examples=150)
@given(known_needs, st.sampled_from(OPTIONS))
def test_the_same_question_has_the_same_answer(needs: Needs, option: str) -> None:
    fresh = build_catalog([("shipped", FILES)], PARAMETERS)
    assert summary(choose(fresh, option, needs, AT)) == summary(choose(SHIPPED, option, needs, AT))


@settings(max_examples=300)
@given(known_needs, st.sampled_from(OPTIONS))
def test_the_chosen_model_comes_first_by_its_bar(needs: Needs, option: str) -> None:
    found = choose(SHIPPED, option, needs, AT)
    sure = [each for each in found.considered if each.qualifies]
    assert bool(sure) == (found.available is True)
    if found.chosen is None:
        return
    assert found.chosen in sure
    if needs.quality == "best":
        assert found.chosen.score == max(each.score for each in sure if each.score is not None)
    else:
        costs = [each.monthly_usd for each in sure if each.monthly_usd is not None]
        assert found.chosen.monthly_usd == min(costs, default=None)
    for each in found.considered:
        assert each.reasons or each == found.chosen
