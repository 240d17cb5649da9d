"""The shipped rules against the register of criteria, read as plain YAML: no part of the engine is used."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

RULES = Path(__file__).resolve().parents[3] / "rules"

TOPICS = {
    "DATA": "data-residency",
    "COST": "volume-cost",
    "OPS": "mlops-capacity",
    "LAT": "latency",
    "TASK": "task-quality",
    "CUSTOM": "customisation",
    "VENDOR": "vendor-independence",
    "STAGE": "life-cycle",
    "HYBRID": "routing",
    "HW": "hardware",
    "LICENCE": "licence",
    "MIGRATE": "migration",
}
COUNTS = {
    "DATA": 8,
    "COST": 14,
    "OPS": 6,
    "LAT": 5,
    "TASK": 11,
    "CUSTOM": 5,
    "VENDOR": 3,
    "STAGE": 4,
    "HYBRID": 3,
    "HW": 7,
    "LICENCE": 1,
    "MIGRATE": 6,
}
REGISTER = {f"{prefix}-{number:02}" for prefix, count in COUNTS.items() for number in range(1, count + 1)}

OPTIONS = {"proprietary_api", "open_api", "open_batch", "self_hosted", "edge"}
EFFECTS = {"forbid", "prefer", "disfavour", "require", "derive", "advise"}
KEYS = EFFECTS | {
    "id", "title", "criteria", "origin", "when", "enforcement", "grade", "message", "owner", "review_by", "controls",
    "enforce_from", "locked", "disabled", "disputes",
}  # fmt: skip

# Parameters that the engine reads by name; every other one is read by a rule.
READ_BY_ENGINE = {
    "high_quality_score", "catalog_stale_days", "edge_latency_ms", "edge_max_parameters_billions", "reference_model",
    "memory_utilisation", "memory_overhead_gib", "collective_overhead_gib", "card_gib_per_gb", "engineer_usd_per_month",
    "self_hosting_engineers", "decode_reached_low", "decode_reached_high", "attestation_days",
    "parity_margin", "parity_confidence",
}  # fmt: skip
PYTHON_TYPES = {"int": int, "double": float, "string": str, "bool": bool, "list<string>": list}

# A message may name these whatever the condition reads.
ALWAYS_KNOWN = {"workload.name", "task.name", "option"}
# Facts that a decision always has, so that a condition over them alone is never indeterminate.
NEVER_UNKNOWN = {
    "workload.stage", "workload.task_count", "task.kind", "task.class", "proposal.present",
    "proposal.fallback.present", "hardware.present", "hardware.measured",
}  # fmt: skip

# The enforcement of every shipped prohibition and obligation, by criterion and by what it says.
ENFORCEMENT = {
    ("DATA-01", "forbid"): "mandatory",
    ("DATA-06", "forbid"): "mandatory",
    ("CUSTOM-03", "forbid"): "mandatory",
    ("CUSTOM-04", "forbid"): "mandatory",
    ("LAT-05", "forbid"): "mandatory",
    ("HW-07", "forbid"): "mandatory",
    ("LICENCE-01", "forbid"): "mandatory",
    ("OPS-01", "forbid"): "waivable",
    ("OPS-02", "forbid"): "waivable",
    ("STAGE-04", "forbid"): "waivable",
    ("DATA-03", "dpa"): "mandatory",
    ("DATA-03", "baa"): "mandatory",
    ("DATA-04", "no_training_term"): "mandatory",
    ("DATA-08", "security_controls"): "mandatory",
    ("OPS-05", "operations_plan"): "mandatory",
    ("HW-07", "hardware_attestation"): "mandatory",
    ("LICENCE-01", "licence_review"): "mandatory",
    ("MIGRATE-03", "parallel_test"): "mandatory",
    ("MIGRATE-06", "golden_dataset"): "mandatory",
    ("TASK-10", "own_benchmark"): "advisory",
    ("VENDOR-02", "fallback"): "advisory",
    ("MIGRATE-01", "owner_named"): "advisory",
    ("MIGRATE-04", "rollout_plan"): "advisory",
    ("MIGRATE-05", "monitoring"): "advisory",
}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


RULE_FILES = sorted(
    path for topic in TOPICS.values() for path in (RULES / topic).glob("*.yaml") if not path.name.endswith("_test.yaml")
)
FACTS: dict[str, dict[str, Any]] = read(RULES / "vocabulary.yaml")["facts"]
EVIDENCE = set(read(RULES / "vocabulary.yaml")["evidence"])
PARAMETERS: dict[str, dict[str, Any]] = read(RULES / "parameters.yaml")["parameters"]
CRITERIA: dict[str, dict[str, Any]] = read(RULES / "criteria.yaml")["criteria"]
DISPUTES: list[dict[str, Any]] = read(RULES / "disputes.yaml")["disputes"]
SOURCES: dict[str, dict[str, Any]] = read(RULES / "sources.yaml")["sources"]
POLICY_SET: dict[str, Any] = read(RULES / "policy-set.yaml")
ALL_RULES: dict[Path, dict[str, Any]] = {path: read(path) for path in RULE_FILES}

each_rule = pytest.mark.parametrize("path", RULE_FILES, ids=[path.stem for path in RULE_FILES])


def names_in(condition: str) -> set[str]:
    """Return the dotted names that `condition` reads, string constants left out."""
    return set(re.findall(r"[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)+\b(?!\()", re.sub(r"'[^']*'", "''", condition)))


def facts_of(rule: dict[str, Any]) -> set[str]:
    return {name for name in names_in(rule["when"]) if not name.startswith("param.")}


def fields_of(rule: dict[str, Any]) -> set[str]:
    return set(re.findall(r"\{([^{}]*)\}", rule["message"] + rule.get("advise", "")))


def cases_of(path: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = read(path.with_name(f"{path.stem}_test.yaml"))["cases"]
    return cases


def dispute_ids() -> set[str]:
    return {dispute["id"] for dispute in DISPUTES}


def test_the_register_is_complete() -> None:
    assert len(REGISTER) == 73
    assert set(CRITERIA) == REGISTER
    for criterion in CRITERIA.values():
        assert criterion["title"]
        assert criterion["sources"]
        assert set(criterion["sources"]) <= set(SOURCES)


def test_every_criterion_is_encoded_or_answered() -> None:
    cited = {criterion for rule in ALL_RULES.values() for criterion in rule["criteria"]}
    answered = set(POLICY_SET["mechanisms"])
    assert cited | answered == REGISTER
    assert all(POLICY_SET["mechanisms"].values())


def test_rule_ids_are_unique() -> None:
    repeated = [name for name, count in Counter(rule["id"] for rule in ALL_RULES.values()).items() if count > 1]
    assert not repeated


def test_every_case_file_has_its_rule() -> None:
    cases = {path.name for topic in TOPICS.values() for path in (RULES / topic).glob("*_test.yaml")}
    assert cases == {f"{path.stem}_test.yaml" for path in RULE_FILES}


def test_enforcement_is_the_agreed_one() -> None:
    found: dict[tuple[str, str], str] = {}
    for rule in ALL_RULES.values():
        for said in [*(["forbid"] if "forbid" in rule else []), *rule.get("require", {})]:
            (criterion,) = rule["criteria"]
            assert found.setdefault((criterion, said), rule["enforcement"]) == rule["enforcement"]
    assert found == ENFORCEMENT


def test_a_measured_host_is_asked_for_by_receipt() -> None:
    (rule,) = [rule for rule in ALL_RULES.values() if "hardware_attestation" in rule.get("require", {})]
    assert rule["grade"] == "recorded"


@each_rule
def test_rule_has_its_parts(path: Path) -> None:
    rule = ALL_RULES[path]
    assert set(rule) <= KEYS
    assert rule["id"] == path.stem
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule["id"])
    assert rule["title"]
    assert rule["message"]
    assert rule["criteria"]
    assert {TOPICS[criterion.split("-")[0]] for criterion in rule["criteria"]} == {path.parent.name}
    assert set(rule["criteria"]) <= REGISTER
    assert set(rule) & EFFECTS
    assert ("enforcement" in rule) == bool(set(rule) & {"forbid", "require"})
    assert set(rule.get("disputes", [])) <= dispute_ids()


@each_rule
def test_rule_names_options_and_evidence_that_exist(path: Path) -> None:
    rule = ALL_RULES[path]
    assert rule.get("forbid") == ["proposal"] or set(rule.get("forbid", [])) <= OPTIONS
    for effect in ("prefer", "disfavour"):
        assert set(rule.get(effect, {})) <= OPTIONS
        assert set(rule.get(effect, {}).values()) <= {"strong", "normal", "weak"}
    assert set(rule.get("require", {})) <= EVIDENCE
    for options in rule.get("require", {}).values():
        assert options
        assert set(options) <= OPTIONS
    assert set(rule.get("derive", {})) <= set(FACTS)


@each_rule
def test_condition_reads_known_names_and_holds_no_threshold(path: Path) -> None:
    rule = ALL_RULES[path]
    names = names_in(rule["when"])
    assert facts_of(rule) <= set(FACTS)
    assert {name.removeprefix("param.") for name in names if name.startswith("param.")} <= set(PARAMETERS)
    numbers = re.findall(r"\b\d+(?:\.\d+)?\b", rule["when"].replace("size(data.regulations) > 0", ""))
    assert not numbers
    if rule.get("enforcement") in {"mandatory", "waivable"}:
        assert not [fact for fact in facts_of(rule) if FACTS[fact].get("source") == "coalesced"]


@each_rule
def test_message_names_what_is_known_when_the_rule_fires(path: Path) -> None:
    rule = ALL_RULES[path]
    fields = fields_of(rule)
    parameters = {field for field in fields if field.startswith("param.")}
    assert {parameter.removeprefix("param.") for parameter in parameters} <= set(PARAMETERS)
    if "option" in fields:
        assert "forbid" in rule or "require" in rule
    facts = fields - parameters - ALWAYS_KNOWN
    assert facts <= facts_of(rule)
    for case in cases_of(path):
        if case["outcome"] == "fired":
            assert facts <= set(case["facts"]), case["name"]


@each_rule
def test_cases_cover_every_outcome(path: Path) -> None:
    rule = ALL_RULES[path]
    cases = cases_of(path)
    expected = {"fired", "not_fired"}
    if facts_of(rule) - NEVER_UNKNOWN:
        expected.add("indeterminate")
    assert {case["outcome"] for case in cases} == expected
    assert len({case["name"] for case in cases}) == len(cases)
    for parameter in names_in(rule["when"]):
        if parameter.startswith("param."):
            assert_boundary_is_tested(rule, parameter.removeprefix("param."), cases)


def assert_boundary_is_tested(rule: dict[str, Any], parameter: str, cases: list[dict[str, Any]]) -> None:
    match = re.search(rf"([a-z0-9_.]+) (?:<|<=|>|>=) param\.{parameter}\b", rule["when"])
    assert match, f"`param.{parameter}` is not compared with a fact"
    value = PARAMETERS[parameter]["value"]
    given = [case["facts"][match[1]] for case in cases if match[1] in case["facts"] and "params" not in case]
    assert value in given
    assert any(fact < value for fact in given)
    assert any(fact > value for fact in given)


@each_rule
def test_cases_are_well_formed(path: Path) -> None:
    rule = ALL_RULES[path]
    for case in cases_of(path):
        assert set(case) <= {"name", "facts", "params", "outcome", "missing", "derives"}
        assert set(case["facts"]) <= facts_of(rule), case["name"]
        for name, value in case["facts"].items():
            assert_value_of(FACTS[name], value)
        for name, value in case.get("params", {}).items():
            assert type(value) is PYTHON_TYPES[PARAMETERS[name]["type"]]
        assert ("missing" in case) == (case["outcome"] == "indeterminate")
        missing = case.get("missing", [])
        assert missing == sorted(missing)
        assert set(missing) <= facts_of(rule) - set(case["facts"])
        assert ("derives" in case) == ("derive" in rule and case["outcome"] == "fired")


def assert_value_of(fact: dict[str, Any], value: object) -> None:
    assert type(value) is PYTHON_TYPES[fact["type"]]
    if "values" in fact:
        assert set(value if isinstance(value, list) else [value]) <= set(fact["values"])


def test_task_class_is_derived_once_for_every_kind() -> None:
    derived: dict[str, list[str]] = {kind: [] for kind in FACTS["task.kind"]["values"]}
    for path, rule in ALL_RULES.items():
        if "task.class" in rule.get("derive", {}):
            for case in cases_of(path):
                if case["outcome"] == "fired":
                    derived[case["facts"]["task.kind"]].append(case["derives"]["task.class"])
    assert all(len(classes) == 1 for classes in derived.values()), derived
    assert {classes[0] for classes in derived.values()} == set(FACTS["task.class"]["values"])


def test_parameters_are_typed_sourced_and_read() -> None:
    read_by_rules = {
        name.removeprefix("param.")
        for rule in ALL_RULES.values()
        for name in names_in(rule["when"]) | fields_of(rule)
        if name.startswith("param.")
    }
    assert set(PARAMETERS) == read_by_rules | READ_BY_ENGINE
    for name, parameter in PARAMETERS.items():
        assert set(parameter) <= {"value", "type", "unit", "meaning", "criterion", "source", "disputes"}, name
        assert type(parameter["value"]) is PYTHON_TYPES[parameter["type"]], name
        assert parameter["unit"]
        assert parameter["meaning"]
        assert parameter["criterion"] in REGISTER
        assert parameter["source"] in {*SOURCES, "project"}
        for dispute in parameter.get("disputes", []):
            assert dispute["id"] in dispute_ids()
            assert dispute["source"] in set(SOURCES) - {parameter["source"]}
            assert type(dispute["value"]) is PYTHON_TYPES[parameter["type"]], name
            assert dispute["says"]


def test_disputed_volumes_agree_across_units() -> None:
    usd_per_token = (3 * 2.50 + 1 * 10.00) / 4 / 1e6
    per_month = {"s0": 5000 / usd_per_token, "s1": 5e6, "s2": 10e6 * 365.25 / 12, "s3": 10e6}
    unit = {"USD/month": usd_per_token, "tokens/month": 1.0, "tokens/day": 12 / 365.25}
    disputed = [p for p in PARAMETERS.values() if "DISPUTE-03" in {d["id"] for d in p.get("disputes", [])}]
    assert {p["criterion"] for p in disputed} == {"COST-02", "COST-04", "COST-06", "COST-07"}
    for parameter in disputed:
        sides = {side["source"]: side["value"] for side in parameter["disputes"]}
        sides[parameter["source"]] = parameter["value"]
        assert set(sides) == set(per_month)
        for source, value in sides.items():
            assert value == pytest.approx(per_month[source] * unit[parameter["unit"]], rel=1e-6)


def test_disputes_are_complete() -> None:
    assert [dispute["id"] for dispute in DISPUTES] == [f"DISPUTE-{number:02}" for number in range(1, 16)]
    for dispute in DISPUTES:
        assert dispute["kind"] in {"threshold", "price", "benchmark", "hardware", "other"}
        assert len(dispute["sides"]) > 1
        for side in dispute["sides"]:
            assert set(side["sources"]) <= {*SOURCES, "project"}
            assert side["says"]
