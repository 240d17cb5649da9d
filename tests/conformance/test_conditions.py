"""Conditions as data (`conditions/*.yaml`): every engine gives what is written there, alone and among all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policy_engine.language.cel import Checker
from policy_engine.loading.yaml_source import read_yaml

TYPES = {
    "a.b": "bool",
    "a.c": "bool",
    "a.i": "int",
    "a.j": "int",
    "a.d": "double",
    "a.e": "double",
    "a.s": "string",
    "a.t": "string",
    "a.l": "list<string>",
    "a.m": "list<string>",
}
FILES = sorted(Path(__file__).parent.glob("conditions/*.yaml"))
# plain YAML would read 2^63 and -0.0 as well, but not as strictly as the files are written
ENTRIES: list[dict[str, Any]] = []
WORDS = {True: True, False: False, "unknown": None}


def read(path: Path) -> list[dict[str, Any]]:
    import yaml

    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


for file in FILES:
    ENTRIES += read(file)
CASES = [
    pytest.param(index, case, id=f"{entry['condition']} {case['facts']}")
    for index, entry in enumerate(ENTRIES)
    for case in entry["cases"]
]


@pytest.fixture(scope="module")
def all_engines(engines: Any) -> Any:
    return engines([entry["condition"] for entry in ENTRIES], TYPES)


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(TYPES)


@pytest.mark.parametrize(("index", "case"), CASES)
def test_every_engine_agrees_with_the_file(
    index: int, case: dict[str, Any], all_engines: Any, engines: Any, checker: Checker
) -> None:
    expected = WORDS[case["is"]]
    alone = engines([ENTRIES[index]["condition"]], TYPES, checker)
    assert alone.durable(case["facts"]) == [expected]
    assert alone.cel(case["facts"]) == [expected]
    truth, missing = alone.kleene(case["facts"])[0]
    assert truth is expected
    assert sorted(missing) == case.get("missing", [])
    assert all_engines.agreed(case["facts"])[index] is expected


def test_files_name_every_construct() -> None:
    """Fails where a construct of the contract stands in no file."""
    text = "\n".join(entry["condition"] for entry in ENTRIES)
    operators = "&& || ! == != < <= > >= + - * / % in ? : true false"
    functions = "exists( all( size( startsWith( endsWith( contains( matches("
    for construct in f"{operators} {functions}".split():
        assert construct in text
    assert len(CASES) > 200


def test_yaml_of_the_files_is_what_the_project_reads() -> None:
    for file in FILES:
        if file.stem != "numbers":  # its integers go beyond 2^53, as sums of facts can
            assert read_yaml(file)[0].value == read(file)
