"""Which attestations speak for a workload's hardware: every way in which one does not is named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.keys import generate_signer
from policy_audit.ledger import EntryType, Ledger

from policy_engine.claims import claim_of
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import ApproverKey, PinnedProbe
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Workload
from policy_engine.probe.report import Device, Rate, Report
from policy_engine.vouching.attested import EVIDENCE, measured
from tests.attesting import A100, HOST, body, device, memory, report
from tests.unit.vouching.case import FILE, RECEIPT, WORKLOAD, checked, pinned, policy, record, workload

MEASURED = datetime(2026, 11, 20, 8, tzinfo=UTC)
CLAIM = {"gpus": [{"name": A100, "count": 2, "memory_gb": 80}]}


def subject(hardware: Any = CLAIM, **evidence: Any) -> Workload:
    found = workload({EVIDENCE: {**RECEIPT, **evidence}})
    document = found.model_dump(mode="json", by_alias=True, exclude_unset=True)
    document["spec"]["hardware"] = hardware
    return Workload.model_validate(document)


def readings(*devices: Device, **host: Any) -> Report:
    return report(*devices, measured_at=MEASURED, **host)


def judged(
    folder: Path, ledger: Ledger, found: Any, about: Workload | None = None, under: Policy | None = None
) -> EvidenceStatus:
    """Record an attestation, and return what it makes of the evidence."""
    document = found if isinstance(found, dict) else body(found, WORKLOAD)
    record(ledger, folder, EntryType.PROBE_ATTESTATION, **document)
    return checked(folder, about or subject(), under or policy(origins=[pinned(ledger)]), EVIDENCE)


def test_hardware_is_attested_and_no_recorded_file_stands_for_it(folder: Path, ledger: Ledger) -> None:
    record(ledger, folder, evidence=EVIDENCE)
    found = checked(folder, subject(**FILE), policy(origins=[pinned(ledger)]), EVIDENCE)
    assert (found.grade, "probe-attestation" in str(found.short)) == ("attached", True)
    assert judged(folder, ledger, readings()).grade == "recorded"


def test_a_name_by_an_alias_is_the_same_device(folder: Path, ledger: Ledger) -> None:
    by_alias = subject({"gpus": [{"name": "A100 80GB SXM", "count": 2}]})
    assert judged(folder, ledger, readings(), by_alias).grade == "recorded"


SAID: dict[str, tuple[dict[str, Any], str]] = {
    "a last day that is not the attestation's": ({"valid_until": "2027-11-23"}, "gives it another last day"),
    "no digest": ({"sha256": None}, "names another attestation than it holds"),
    "another digest": ({"sha256": "0" * 64}, "names another attestation than it holds"),
    "no attestation": ({"attestation": None}, "holds no attestation"),
    "an empty one": ({"attestation": {}}, "names another attestation than it holds"),
    "of another workload": ({"workload": "claims/other"}, "about another workload"),
}


@pytest.mark.parametrize("name", SAID)
def test_an_entry_that_does_not_say_so_proves_nothing(name: str, folder: Path, ledger: Ledger) -> None:
    more, why = SAID[name]
    found = judged(folder, ledger, body(readings(), WORKLOAD) | more)
    assert (found.grade, found.proof) == ("asserted", None)
    assert why in str(found.short)


@pytest.mark.parametrize(
    ("until", "why"),
    [("2026-11-23", "the attestation ended on 2026-11-23"), (7, "is no date"), ("soon", "is no date")],
)
def test_a_last_day_that_is_over_or_none_is_said(until: Any, why: str, folder: Path, ledger: Ledger) -> None:
    assert why in str(judged(folder, ledger, body(readings(), WORKLOAD, until)).short)


def _rate(name: Any, *rounds: float) -> Rate:
    return Rate(name=name, rounds=rounds)


LACKING: dict[str, tuple[Report, Any, str]] = {
    "another device": (readings(device(0, "NVIDIA L4"), device(1, "NVIDIA L4")), CLAIM, f"has no `{A100}`"),
    "the host's processor": (readings(device(0, "EPYC", type="cpu", backend="cpu")), CLAIM, f"has no `{A100}`"),
    "a device that only looks like it": (readings(device(0, "NVIDIA A100"), device(1, "NVIDIA A100")), CLAIM, "has no"),
    "part of the memory": (
        readings(device(0), device(1, memory=memory(touched_gib=40.0))),
        CLAIM,
        "does not verify the claimed memory_gb",
    ),
    "nothing written": (
        readings(device(0), device(1, memory=memory(touched_gib=0.0, intact=None))),
        CLAIM,
        "does not verify the claimed count",
    ),
    "a slow copy on a shared host": (
        readings(*(device(i, rates=(_rate("copy", 700.0, 900.0),)) for i in (0, 1))),
        {"gpus": [{"name": A100, "count": 2, "memory_gb": 80, "bandwidth_gb_s": 2039}]},
        "does not verify the claimed bandwidth_gb_s",
    ),
    "no figure claimed": (readings(), {"gpus": [{"name": None, "count": None}]}, "does not verify the claimed count"),
    "no device claimed": (readings(), {"gpus": None}, "does not say which hardware"),
    "no hardware claimed": (readings(), None, "claims no hardware"),
    "something in between": (readings(interposers=("LD_PRELOAD=/opt/fake.so",)), CLAIM, "stands between"),
    "another host": (readings(), {**CLAIM, "host": "gpu-02"}, f"the host `{HOST}`, and the workload names `gpu-02`"),
    "a runner": (readings(ci="github"), CLAIM, "made on a CI runner (github)"),
    "a runner that is not the host": (readings(ci="github"), {**CLAIM, "host": "gpu-02"}, "names `gpu-02`"),
}


@pytest.mark.parametrize("name", LACKING)
def test_an_attestation_that_does_not_speak_of_the_claim_proves_nothing(
    name: str, folder: Path, ledger: Ledger
) -> None:
    found, hardware, why = LACKING[name]
    status = judged(folder, ledger, found, subject(hardware))
    assert (status.grade, status.proof) == ("asserted", None)
    assert why in str(status.short)


def test_a_runner_that_is_the_named_host_counts(folder: Path, ledger: Ledger) -> None:
    named = subject({**CLAIM, "host": HOST})
    assert judged(folder, ledger, readings(ci="github"), named).grade == "recorded"


def test_an_attestation_of_a_host_at_large_counts_for_whoever_names_it(folder: Path, ledger: Ledger) -> None:
    at_large = body(readings(), None)
    assert judged(folder, ledger, at_large, subject({**CLAIM, "host": HOST})).grade == "recorded"
    assert "does not name it, as hardware.host: gpu-01" in str(judged(folder, ledger, at_large).short)


def test_it_counts_for_so_many_days_after_the_measurement(folder: Path, ledger: Ledger) -> None:
    under = policy(origins=[pinned(ledger)])
    assert judged(folder, ledger, readings(), under=under).ends == date(2027, 2, 18)
    last, after = (datetime(2027, 2, day, tzinfo=UTC) for day in (18, 19))
    assert checked(folder, subject(), under, EVIDENCE, at=last).grade == "recorded"
    found = checked(folder, subject(), under, EVIDENCE, at=after)
    assert (found.grade, "counts for 90 days (param.attestation_days)" in str(found.short)) == ("asserted", True)


def test_a_measurement_of_after_its_entry_proves_nothing(folder: Path, ledger: Ledger) -> None:
    late = report(measured_at=datetime(2026, 11, 22, 8, tzinfo=UTC))
    assert "after it was recorded on 2026-11-20" in str(judged(folder, ledger, late).short)


@pytest.mark.parametrize(
    ("stated", "days", "ends"),
    [
        ("2026-12-24", {}, date(2026, 12, 24)),
        ("2026-12-24", {"valid_until": date(2026, 12, 1)}, date(2026, 12, 1)),
        (None, {"revoked": date(2026, 12, 1)}, date(2026, 11, 30)),
    ],
)
def test_it_ends_with_its_own_day_or_the_key(
    stated: str | None, days: Any, ends: date, folder: Path, ledger: Ledger
) -> None:
    document = body(readings(), WORKLOAD, stated)
    assert judged(folder, ledger, document, under=policy(origins=[pinned(ledger, **days)])).ends == ends


def test_a_claim_that_grew_since_is_held_to_the_same_measurement(folder: Path, ledger: Ledger) -> None:
    assert judged(folder, ledger, readings()).grade == "recorded"
    grown = subject({"gpus": [{"name": A100, "count": 4, "memory_gb": 80}]})
    found = checked(folder, grown, policy(origins=[pinned(ledger)]), EVIDENCE)
    verdicts = {
        each.name: each.verdict for each in measured(policy().catalog, claim_of(grown.spec.hardware), {EVIDENCE: found})
    }
    assert (found.grade, verdicts["count"]) == ("asserted", "contradicted")
    assert "it contradicts the claimed count" in str(found.short)


# ---- keys of probes

KEY, OTHER = generate_signer("gpu-01-probe"), generate_signer("gpu-01-probe")


def pins(ledger: Ledger, *probes: PinnedProbe) -> Policy:
    under = policy(origins=[pinned(ledger)])
    return replace(under, approvers=replace(under.approvers, probes=probes))


def probe(host: str = HOST, key: Any = KEY, not_for: tuple[str, ...] = (), **days: date) -> PinnedProbe:
    return PinnedProbe(host, ApproverKey(key.verifier_key, **days), not_for)


def test_where_keys_of_probes_are_pinned_one_of_the_host_must_have_signed(folder: Path, ledger: Ledger) -> None:
    signed, unsigned = body(readings(), WORKLOAD, None, KEY), body(readings(), WORKLOAD)
    assert judged(folder, ledger, signed, under=pins(ledger, probe())).grade == "recorded"
    for found, under, why in (
        (unsigned, pins(ledger, probe()), "is not signed"),
        (unsigned | {"signature": 7}, pins(ledger, probe()), "is not signed"),
        (unsigned | {"signature": "no note"}, pins(ledger, probe()), "is none"),
        (signed, pins(ledger, probe(key=OTHER)), "no key that the policy pins"),
        (signed, pins(ledger, probe("gpu-02")), "none of the host `gpu-01`"),
        (signed, pins(ledger), "none of the host"),
        (signed, pins(ledger, probe(revoked=date(2026, 11, 24))), "the key was revoked on 2026-11-24"),
        (body(readings(), WORKLOAD, None, OTHER), pins(ledger, probe()), "no key that the policy pins"),
    ):
        status = judged(folder, ledger, found, under=under)
        assert (status.grade, why in str(status.short)) == ("asserted", True), status.short


def test_a_signature_over_another_measurement_is_bad(folder: Path, ledger: Ledger) -> None:
    line = body(readings(device(0, memory=memory(20.0))), WORKLOAD, None, KEY)["signature"]
    found = judged(folder, ledger, body(readings(), WORKLOAD) | {"signature": line}, under=pins(ledger, probe()))
    assert "is bad" in str(found.short)


def test_a_signed_attestation_ends_with_the_probes_key(folder: Path, ledger: Ledger) -> None:
    under = pins(ledger, probe(valid_until=date(2026, 12, 1)))
    assert judged(folder, ledger, body(readings(), WORKLOAD, None, KEY), under=under).ends == date(2026, 12, 1)


def test_a_key_of_a_later_layer_does_not_count_for_a_locked_rule(folder: Path, ledger: Ledger) -> None:
    asking = next(rule.id for rule in policy().rules.rules if EVIDENCE in rule.require)
    found = judged(folder, ledger, body(readings(), WORKLOAD, None, KEY), under=pins(ledger, probe(not_for=(asking,))))
    assert "a later layer pins" in str(found.short)


# ---- what is revoked


def test_what_the_policy_says_is_no_evidence_is_none(folder: Path, ledger: Ledger) -> None:
    under = policy(origins=[pinned(ledger)])
    leaf = str((judged(folder, ledger, readings(), under=under).proof or {})["leaf"])
    revoking = replace(under, approvers=replace(under.approvers, revoked_entries=frozenset({leaf})))
    found = checked(folder, subject(), revoking, EVIDENCE)
    assert (found.grade, found.short) == ("asserted", "the policy says that its entry is evidence no more")
    # the same attestation, put on record again, is revoked by its digest
    digest = body(readings(), WORKLOAD)["sha256"]
    by_digest = replace(under, approvers=replace(under.approvers, revoked_entries=frozenset({digest})))
    assert judged(folder, ledger, readings(), under=by_digest).grade == "asserted"


# ---- hostile reports

NUMBERS = ("-1", "inf", "nan", "1e400", "1e308", "9" * 330)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_nothing_measures_makes_no_report(number: str, folder: Path, ledger: Ledger) -> None:
    from policy_engine.probe.attestation import attestation_digest

    document = body(readings(), WORKLOAD)
    document["attestation"]["report"]["devices"][0]["rates"][0]["rounds"][0] = number
    document["sha256"] = attestation_digest(document["attestation"])
    assert "none that this program writes" in str(judged(folder, ledger, document).short)


def test_more_memory_than_the_device_has_is_no_report(folder: Path, ledger: Ledger) -> None:
    huge = readings(*(device(i, memory=memory(touched_gib=80.0)) for i in (0, 1)))
    assert "none that this program writes" in str(judged(folder, ledger, huge).short)


def forged(change: Any) -> dict[str, Any]:
    """Return a body whose attestation was changed before it was recorded."""
    from policy_engine.probe.attestation import attestation_digest

    document = body(readings(), WORKLOAD)
    change(document["attestation"])
    document["sha256"] = attestation_digest(document["attestation"])
    return document


@pytest.mark.parametrize("member", ["touched_bytes", "total_bytes", "limit_bytes", "free_bytes"])
@pytest.mark.parametrize("size", [-1, "9" * 330, "9" * 400, str(2**53)])
def test_a_size_that_nothing_has_makes_no_report(member: str, size: Any, folder: Path, ledger: Ledger) -> None:
    found = forged(lambda said: said["report"]["devices"][0]["memory"].update({member: size}))
    assert "none that this program writes" in str(judged(folder, ledger, found).short)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\x00"])
def test_a_name_of_two_lines_makes_no_report(name: str, folder: Path, ledger: Ledger) -> None:
    found = forged(lambda said: said["report"]["host"].update(name=name))
    assert "none that this program writes" in str(judged(folder, ledger, found).short)


@pytest.mark.parametrize("days", [0, -5, 10_000_000, 10**12])
def test_any_number_of_days_decides_without_an_error(days: int, folder: Path, ledger: Ledger) -> None:
    from policy_engine.model.task_case import ATTESTATION_DAYS

    under = policy(origins=[pinned(ledger)])
    known = under.rules.parameters
    changed = {**known, ATTESTATION_DAYS: replace(known[ATTESTATION_DAYS], value=days)}
    found = judged(folder, ledger, readings(), under=replace(under, rules=replace(under.rules, parameters=changed)))
    assert found.grade == ("recorded" if days > 3 else "asserted")


def test_a_digest_beside_a_receipt_has_to_be_the_attestations(folder: Path, ledger: Ledger) -> None:
    digest = body(readings(), WORKLOAD)["sha256"]
    assert judged(folder, ledger, readings(), subject(sha256=digest)).grade == "recorded"
    assert "about another file" in str(judged(folder, ledger, readings(), subject(sha256="0" * 64)).short)


# ---- what is claimed of more devices than there are


ROWS = {
    "the same row twice": [{"name": A100, "count": 2}] * 2,
    "an alias beside the name": [{"name": A100, "count": 2}, {"name": "A100 80GB", "count": 1}],
    "eight times two": [{"name": A100, "count": 2, "memory_gb": 80}] * 8,
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_one_device_share_what_there_is(name: str, folder: Path, ledger: Ledger) -> None:
    found = judged(folder, ledger, readings(), subject({"gpus": ROWS[name]}))
    assert (found.grade, "it contradicts the claimed count" in str(found.short)) == ("asserted", True)
    assert found.proof is not None
    shared = subject({"gpus": [{"name": A100, "count": 1}, {"name": "A100 80GB", "count": 1}]})
    assert judged(folder, ledger, readings(), shared).grade == "recorded"


def test_a_row_without_a_name_is_held_to_what_the_others_leave(folder: Path, ledger: Ledger) -> None:
    rows = [{"name": A100, "count": 2}, {"name": None, "count": 1, "memory_gb": 80}]
    found = judged(folder, ledger, readings(), subject({"gpus": rows}))
    assert (found.grade, "this host has no other device" in str(found.short)) == ("asserted", True)
    less = [{"name": A100, "count": 1}, {"name": None, "count": 1, "memory_gib": 75}]
    assert judged(folder, ledger, readings(), subject({"gpus": less})).grade == "recorded"


def test_what_arithmetic_contradicts_makes_no_measurement_of_something_else(folder: Path, ledger: Ledger) -> None:
    """An absurd rate beside devices that are not there: nothing was measured of them."""
    serves = {"model": "llama-3.1-70b", "quantization": "bf16", "tokens_per_hour": 1e9, "concurrency": 1,
              "input_tokens": 10, "output_tokens": 10}  # fmt: skip
    l4 = readings(device(0, "NVIDIA L4", memory=memory(21.6, 22.05)))
    found = judged(folder, ledger, l4, subject({**CLAIM, "serves": serves}))
    assert (found.grade, found.proof) == ("asserted", None)
    # beside those that are there, the bandwidth measured contradicts it
    found = judged(folder, ledger, readings(), subject({**CLAIM, "serves": serves}))
    assert (found.grade, "by the bandwidth measured" in str(found.short)) == ("asserted", True)
    # a price that arithmetic contradicts is no measurement, and leaves the devices verified
    cheap = {**serves, "tokens_per_hour": 50_000, "model": "llama-3.1-8b"}
    priced = {**CLAIM, "serves": cheap, "usd_per_hour": 1e-9}
    assert judged(folder, ledger, readings(), subject(priced)).grade == "recorded"
