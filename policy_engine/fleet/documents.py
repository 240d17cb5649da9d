"""Rows of a table and workloads, each made of the other. What a row says wrong is said as of a workload file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy_engine.errors import InputError, Problem
from policy_engine.fleet.columns import HARDWARE, MIN_SCORES
from policy_engine.fleet.source import (
    CHAMPION,
    COUNT,
    EVIDENCE,
    FALLBACK,
    HAS_CHAMPION,
    MIGRATION,
    NAMESPACE,
    OWNER,
    PROPOSED,
    SHARE,
    SourceColumns,
)
from policy_engine.loading.policy import Policy
from policy_engine.loading.recorded_workload import SOMEBODY
from policy_engine.loading.workload_file import load_document
from policy_engine.loading.yaml_builder import Node
from policy_engine.loading.yaml_scalars import LARGEST_INTEGER, Refusal, check_string
from policy_engine.loading.yaml_source import Document
from policy_engine.model.fields import MOST_TASKS
from policy_engine.model.vocabulary import CUSTOM
from policy_engine.model.workload import SHARE_TOLERANCE, Workload

Row = Mapping[str, Any]
_SECTIONS = ("data", "volume", "budget", "team", "needs")
_FALLBACK = "proposal.fallback."
#: Paths of a workload file in a message, and what a table calls the same.
_PATHS = (
    (re.compile(r"`spec\.tasks\[\d+\]\.proposal\."), "`proposal."),
    (re.compile(r"`spec\.tasks\[\d+\]\."), "`task."),
    (re.compile(r"`metadata\."), "`workload."),
    (re.compile(r"`spec\.(stage|organisation|deploy_within_days)"), r"`workload.\1"),
    (re.compile(r"`spec\."), "`"),
)


def workload_of(rows: Sequence[Row], columns: SourceColumns, policy: Policy) -> Workload | InputError:
    """Return the workload whose tasks `rows` are, or all that is wrong with it.

    `rows` hold what they say by column, without the columns that are left out; workload facts are the first row's.
    """
    try:
        said = [{name: each for name, each in row.items() if name in columns.kinds} for row in rows]
        if wrong := _texts_problems(said, columns):
            return InputError(wrong)
        value = _document(said)
    except ValueError as error:
        return InputError(Problem("sweep-row", str(error)))
    found = load_document(Document("<row>", value, Node((1, 1), value)), 0, policy.vocabulary)
    if isinstance(found, InputError):
        return InputError(Problem(each.code, _as_column(each.message), None, each.help) for each in found.problems)
    problems = _beyond(found.workload, policy)
    return InputError(problems) if problems else found.workload


def refused_texts(value: Any) -> Iterator[Refusal]:
    """Find the texts within a value, keys included, that no workload file may hold."""
    if isinstance(value, str):
        if isinstance(found := check_string(value), Refusal):
            yield found
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from refused_texts(name)
            yield from refused_texts(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from refused_texts(each)


def _texts_problems(rows: Sequence[Row], columns: SourceColumns) -> list[Problem]:
    """Find what no workload file may hold, in each column once."""
    found: dict[str, Problem] = {}
    for row in rows:
        for name, value in row.items():
            parts = _object(value, name) if columns.kinds[name] == "object" else value
            if (refusal := next(refused_texts(parts), None)) is not None:
                found.setdefault(name, Problem(refusal.code, f"`{name}`: {refusal.message}", None, refusal.help))
    return list(found.values())


def workload_of_row(row: Row, columns: SourceColumns, policy: Policy) -> Workload | InputError:
    """Return the workload that `row` makes by itself; how it counts and shares with others is checked, and left out."""
    found = workload_of([{name: value for name, value in row.items() if name not in (COUNT, SHARE)}], columns, policy)
    wrong = counted(row)
    if not wrong:
        return found
    problems = [Problem("sweep-row", message) for message in wrong]
    return InputError([*problems, *(found.problems if isinstance(found, InputError) else ())])


def counted(row: Row) -> list[str]:
    """Return what is wrong with how many tasks the workload has, and the row's share of it."""
    count, share, wrong = row.get(COUNT), row.get(SHARE), []
    count = 1 if count is None else count
    if type(count) is not int or not 1 <= count <= MOST_TASKS:
        wrong.append(f"`{COUNT}` is a whole number from 1 to {MOST_TASKS:,}, and not `{str(count)[:40]}`")
    if share is None:
        if type(count) is int and count > 1:
            wrong.append(f"`{SHARE}` is required where `{COUNT}` is above 1")
    elif type(share) not in (int, float) or not 0 <= share <= 1:
        wrong.append(f"`{SHARE}` is a number from 0 to 1, and not `{str(share)[:40]}`")
    elif count == 1 and abs(share - 1.0) > SHARE_TOLERANCE:
        wrong.append(f"`{SHARE}` is {share:g}, and the only task has all of the volume")
    return wrong


def _document(rows: Sequence[Row]) -> dict[str, Any]:
    first = rows[0]
    metadata = {"name": first.get("workload.name"), "owner": first.get(OWNER) or SOMEBODY}
    if first.get(NAMESPACE) is not None:
        metadata["namespace"] = first[NAMESPACE]
    spec: dict[str, Any] = {"stage": first.get("workload.stage")}
    for name in ("organisation", "deploy_within_days"):
        if f"workload.{name}" in first:
            spec[name] = first[f"workload.{name}"]
    spec["tasks"] = [_task(row) for row in rows]
    for section in _SECTIONS:
        if part := _part(first, f"{section}."):
            spec[section] = part
    if first.get(HARDWARE) is not None:
        spec["hardware"] = _object(first[HARDWARE], HARDWARE)
    migration = _migration(first)
    if migration is not None:
        spec["migration"] = migration
    if evidence := _evidence(first):
        spec["evidence"] = evidence
    if custom := _part(first, CUSTOM):
        spec["custom"] = custom
    return {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec}


def _part(row: Row, prefix: str) -> dict[str, Any]:
    """Return what the row says under `prefix`, by the rest of the name; nulls stay, for they are said."""
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def _task(row: Row) -> dict[str, Any]:
    task = _part(row, "task.")
    if task.get("share", 0) is None:
        del task["share"]
    if task.get("min_scores") is not None:
        task["min_scores"] = _object(task["min_scores"], MIN_SCORES)
    proposal = _proposal(row)
    if proposal is not None:
        task["proposal"] = proposal
    return task


def _proposal(row: Row) -> dict[str, Any] | None:
    said = {name: value for name, value in _part(row, "proposal.").items() if not name.startswith("fallback.")}
    fallback = _part(row, _FALLBACK)
    if row.get(FALLBACK) is None:
        _refuse_without(fallback, _FALLBACK, FALLBACK)
        fallback = {}
    if row.get(PROPOSED) is None:
        _refuse_without(said | ({"fallback.deployment": 1} if fallback else {}), "proposal.", PROPOSED)
        return None
    return said | ({"fallback": fallback} if fallback else {})


def _refuse_without(said: Mapping[str, Any], prefix: str, needed: str) -> None:
    given = [name for name, value in said.items() if value is not None]
    if given:
        raise ValueError(f"`{prefix}{given[0]}` is given, and `{needed}` is not")


def _migration(row: Row) -> Any:
    said = _part(row, "migration.")
    present, has, champion = said.pop("present", None), said.pop("champion_present", None), said.get("champion")
    for name, value in ((MIGRATION, present), (HAS_CHAMPION, has)):
        if value is not None and type(value) is not bool:
            raise ValueError(f"`{name}` is true or false, and not `{str(value)[:40]}`")
    if has is False and champion is not None:
        raise ValueError(f"`{HAS_CHAMPION}` is false, and `{CHAMPION}` is given")
    given = [name for name, value in said.items() if value is not None] + (["champion_present"] if has else [])
    if present is False:
        if given:
            raise ValueError(f"`{MIGRATION}` is false, and `migration.{given[0]}` is given")
        return "none"
    if present is None and not given:
        return None
    source = {name.removeprefix("from."): value for name, value in said.items() if name.startswith("from.")}
    found = {name: value for name, value in said.items() if not name.startswith("from.")}
    if any(value is not None for value in source.values()):
        found["from"] = source
    if has and champion is None:
        found["champion"] = SOMEBODY
    return found


def _evidence(row: Row) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for column, value in row.items():
        if column.startswith(EVIDENCE) and value is not None:
            name, _, field = column.removeprefix(EVIDENCE).partition(".")
            found.setdefault(name, {})[field or "reference"] = value
    return found


def _object(value: Any, column: str) -> Any:
    """Return the JSON value that a cell holds, as text or as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json_value(value)
    except ValueError as error:
        raise ValueError(f"`{column}` is no JSON: {error}") from None


def json_value(text: str) -> Any:
    """Read JSON strictly: no NaN, no infinity, no key twice.

    Raises:
        ValueError: it is not that.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
            raise ValueError(f"the key `{twice[:60]}` stands there twice")
        return found

    def refuse(name: str) -> Any:
        raise ValueError(f"`{name}` is no number")

    try:
        found = json.loads(text, object_pairs_hook=once, parse_constant=refuse, parse_int=_whole)
        json.dumps(found, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg.lower()} at character {error.pos + 1}") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half of a character") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return found


def _whole(text: str) -> int | float:
    # no field takes more digits, and to read them takes longer with each
    return int(text) if len(text) <= 400 else math.inf


def _as_column(message: str) -> str:
    for pattern, name in _PATHS:
        message = pattern.sub(name, message)
    return message


def _beyond(workload: Workload, policy: Policy) -> list[Problem]:
    """Find what the decision refuses later: floors of unknown benchmarks, numbers that no double holds."""
    problems = [
        Problem("unknown-benchmark", f"the catalog has no benchmark `{name[:60]}`")
        for task in workload.spec.tasks
        for name in task.min_scores or {}
        if name not in policy.catalog.benchmarks
    ]
    for name, value in (workload.spec.custom or {}).items():
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            problems.append(
                Problem(
                    "sweep-row",
                    f"`{CUSTOM}{name}` is an integer beyond {LARGEST_INTEGER:,}, which cannot be kept exactly",
                )
            )
    return problems
