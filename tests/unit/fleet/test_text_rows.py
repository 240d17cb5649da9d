"""CSV and JSON Lines as people and programs write them, and as they break: each bad line is one reject."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policy_engine.errors import InputError
from policy_engine.fleet import csv_rows, lines
from policy_engine.fleet.csv_rows import read_cell
from tests.property.worlds import shipped
from tests.unit.fleet.reading import Read, read
from tests.unit.fleet.tables import LEAST

HEAD = "workload.name,workload.stage,task.name,task.kind"


@pytest.fixture
def table(tmp_path: Path) -> Any:
    def make(content: bytes | str, ending: str = "csv", **options: Any) -> Read:
        path = tmp_path / f"t.{ending}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read(path, shipped(), **options)

    return make


def names(found: Read) -> list[str]:
    return [row["task.name"] for row in found.rows]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_byte_order_marks_and_line_ends(table: Any, end: str, mark: bytes, last: bool) -> None:
    text = end.join([HEAD, "a,pilot,t,other", "", 'b,pilot,"u, ""v""",other', "c,pilot,é,other"]) + end * last
    found = table(mark + text.encode())
    assert names(found) == ["t", 'u, "v"', "é"]
    assert [row["row"] for row in found.rows] == [2, 4, 5]
    assert found.rejects == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a,pilot,t", "it has 3 cells, and the header names 4 columns"),
        ("a,pilot,t,other,x", "it has 5 cells, and the header names 4 columns"),
        ("a,pilot,t\0,other", "it holds a NUL"),
        ('a,pilot,"t,other', "a quote is opened and not closed"),
        ('a,pilot,"t"x"y",other', "',' expected after '\"'"),
        ("a,pilot,t\rb,other", "new-line character seen in unquoted field"),
        (b"a,pilot,\xff,other", "it is not UTF-8 at byte 9"),
        ("x" * (lines.LONGEST + 2), "the line has more than 1,048,576 bytes"),
    ],
)
def test_a_malformed_line_is_a_reject_and_the_others_are_read(table: Any, line: str | bytes, why: str) -> None:
    content = line if isinstance(line, bytes) else line.encode()
    found = table(f"{HEAD}\nb,pilot,before,other\n".encode() + content + b"\nc,pilot,after,other\nd,pilot,last,other\n")
    assert names(found) == ["before", "after", "last"]
    (reject,) = found.rejects
    assert found.why == [why]
    assert reject["place"]["file"].endswith("t.csv")
    assert reject["place"]["line"] == 3


def test_a_record_over_several_lines_has_the_place_of_its_first(table: Any) -> None:
    found = table(f'{HEAD}\nb,pilot,"one\r\ntwo",other\nc,pilot,"x"\n')
    assert found.rows == []
    assert sorted(each["place"]["line"] for each in found.rejects) == [2, 4]
    assert found.why[0] == "`task.name` has line breaks, or spaces around it"


def test_quotes_that_are_never_closed_swallow_no_more_than_their_line(table: Any) -> None:
    many = "".join(f"w{number},pilot,t{number},other\n" for number in range(csv_rows._MOST_LINES * 2))
    found = table(f'{HEAD}\na,pilot,"t,other\n{many}b,pilot,"u,other\n')
    # the second quote is beyond what a record may have, so that neither closes the other
    assert len(found.rows) == csv_rows._MOST_LINES * 2
    assert sorted(each["place"]["line"] for each in found.rejects) == [2, csv_rows._MOST_LINES * 2 + 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"\xff\xfe", "the header cannot be read: it is not UTF-8 at byte 1"),
        (HEAD.replace(",", ";").encode(), "cells are separated by semicolons"),
        (f"{HEAD},task.name\n".encode(), "`task.name` stands there twice"),
        (b"workload.name,workload.stage,task.name\n", "there is no column `task.kind`"),
        (f"{HEAD},task.qualty\n".encode(), "unknown column `task.qualty`"),
        (f"{HEAD},hardware.region\n".encode(), "unknown column `hardware.region`"),
        (f"{HEAD},\n".encode(), "unknown column ``"),
    ],
)
def test_a_header_that_is_none_is_an_error_of_the_source(table: Any, content: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        table(content)
    assert message in str(caught.value)


def test_what_is_near_is_named(table: Any) -> None:
    with pytest.raises(InputError, match=r"did you mean `task\.quality`\?"):
        table(f"{HEAD},task.qualty\n")
    with pytest.raises(InputError, match="column `hardware`"):
        table(f"{HEAD},hardware.gpus\n")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("", "bool", None),
        ("true", "bool", True),
        ("False", "bool", False),
        ("yes", "bool", "yes"),
        ("1", "bool", "1"),
        ("12", "int", 12),
        ("-3", "int", -3),
        ("3.0", "int", 3.0),
        ("1_000", "int", "1_000"),
        (" 1", "int", " 1"),
        ("9" * 5000, "int", "9" * 5000),
        ("1e3", "double", 1000.0),
        ("nan", "double", "nan"),
        ("inf", "double", "inf"),
        ("٣", "int", "٣"),
        ("a; b", "list<string>", ["a", "b"]),
        ("[]", "list<string>", []),
        ('["a;b"]', "list<string>", ["a;b"]),
        ("[a", "list<string>", "[a"),
    ],
)
def test_what_a_cell_says(text: str, kind: str, value: Any) -> None:
    found = read_cell(text, kind)
    assert found == value
    assert type(found) is type(value)


def line(**more: Any) -> str:
    return json.dumps(LEAST | more)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "expecting property name enclosed in double quotes at character 2"),
        ("[1]", "it is no object"),
        ("null", "it is no object"),
        (line()[:-1] + ', "budget.monthly_usd": NaN}', "`NaN` is no number"),
        (line()[:-1] + ', "task.name": "u"}', "the key `task.name` stands there twice"),
        (line()[:-1] + ', "task.min_scores": {"mmlu": 1, "mmlu": 2}}', "the key `mmlu` stands there twice"),
        (line()[:-1] + ', "task.name" : "u"}', "the key `task.name` stands there twice"),
        (line(bogus=1), "unknown column `bogus`; pass it through with --keep"),
        (line(**{"team.mlop": "none"}), "unknown column `team.mlop`; did you mean `team.mlops`?"),
        (line()[:-1] + ', "task.complexity": "\\ud800"}', "it holds half of a character"),
        (
            line()[:-1] + ', "volume.requests_per_day": 1' + "0" * 30 + "}",
            "is `1" + "0" * 30 + "`, above 9,007,199,254,740,991",
        ),
        (line()[:-1] + ', "budget.monthly_usd": 1e999}', "finite number"),
        (line()[:-1] + ', "hardware": {"usd_per_hour": 1e999}}', "`hardware` is no JSON: `Infinity` is no number"),
        (line(hardware="{"), "`hardware` is no JSON"),
        (line(hardware={"gpu": 1}), "unknown key `gpu` in `hardware`"),
        ("[" * 100_000, "it is nested too deep"),
        ("{" + '"a":{' * 50_000, "it is nested too deep"),
    ],
)
def test_a_line_that_is_no_row_is_a_reject(table: Any, bad: str, why: str) -> None:
    found = table(f"{line()}\n{bad}\n\n{line()}\n", "jsonl")
    assert len(found.rows) == 2
    (reject,) = found.rejects
    assert why in found.why[0]
    assert reject["place"]["line"] == 2


def test_an_empty_file_of_lines_has_no_rows(table: Any) -> None:
    assert table(b"", "jsonl") == Read(0, [], [])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"proposal.model": "m"}, "`proposal.model` is given, and `proposal.deployment` is not"),
        (
            {"proposal.deployment": "edge", "proposal.fallback.region": "eu"},
            "`proposal.fallback.region` is given, and `proposal.fallback.deployment` is not",
        ),
        (
            {"proposal.fallback.deployment": "edge"},
            "`proposal.fallback.deployment` is given, and `proposal.deployment` is not",
        ),
        (
            {"migration.present": False, "migration.from.model": "m"},
            "`migration.present` is false, and `migration.from.model` is given",
        ),
        (
            {"migration.champion_present": False, "migration.champion": "jo"},
            "`migration.champion_present` is false, and `migration.champion` is given",
        ),
        (
            {"migration.present": False, "migration.champion_present": True},
            "`migration.present` is false, and `migration.champion_present` is given",
        ),
        ({"workload.task_count": 2}, "`task.share` is required where `workload.task_count` is above 1"),
        ({"workload.task_count": 0}, "`workload.task_count` is a whole number from 1 to 1,000, and not `0`"),
        ({"workload.task_count": 2, "task.share": 1.5}, "`task.share` is a number from 0 to 1, and not `1.5`"),
        ({"task.share": 0.5}, "`task.share` is 0.5, and the only task has all of the volume"),
        ({"workload.task_count": True, "task.share": 1}, "`workload.task_count` is a whole number"),
    ],
)
def test_columns_that_contradict_each_other(table: Any, more: dict[str, Any], why: str) -> None:
    found = table(line(**more), "jsonl")
    assert found.rows == []
    assert any(why in each for each in found.why), found.why


def test_what_says_more_than_it_must(table: Any) -> None:
    """A champion by presence alone, a migration by what is said of it, a share of a workload of several tasks."""
    given = [
        {"migration.champion_present": True},
        {"migration.weeks_planned": 4},
        {"migration.present": None},
        {"migration.present": True},
        {"workload.task_count": 3, "task.share": 0.25, "workload.namespace": None},
        {"proposal.deployment": None, "proposal.model": None, "proposal.fallback.deployment": None},
    ]
    found = table("\n".join(line(**each) for each in given), "jsonl")
    assert found.rejects == []
    rows = found.rows
    assert [row["migration.present"] for row in rows] == [True, True, None, True, None, None]
    assert [row["migration.champion_present"] for row in rows] == [True, *[False] * 5]
    assert [row["evidence.owner_named"] for row in rows] == [1, 0, 0, 0, 0, 0]
    assert (rows[4]["workload.task_count"], rows[4]["task.share"], rows[4]["workload.namespace"]) == (
        3,
        0.25,
        "default",
    )
    assert rows[5]["proposal.present"] is False


def test_columns_pass_through(table: Any) -> None:
    found = table(f"{HEAD},cost centre,n\na,pilot,t,other,=1+1,\n", keep=("cost centre", "n"))
    assert (found.rows[0]["cost centre"], found.rows[0]["n"]) == ("=1+1", None)
    found = table(line(extra={"a": [1]}, other=None), "jsonl", keep=("extra", "other", "never"))
    assert (found.rows[0]["extra"], found.rows[0]["other"], found.rows[0]["never"]) == ('{"a":[1]}', None, None)
