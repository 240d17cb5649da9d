"""Read how long the ledger keeps what: `retention.yaml` of the shipped rules, and of the layers over them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.errors import Problem, RulesError, Span
from policy_engine.loading.layers import RETENTION, check_layer, shipped_rules
from policy_engine.loading.reader import Reader
from policy_engine.loading.yaml_source import load_yaml, read_bytes

if TYPE_CHECKING:
    from policy_audit.retention import Period, Retention

_KEYS = ("id", "years", "months", "regulations", "minimum", "source", "says")
_MOST_YEARS = 1000


def read_retention(layers: Sequence[Path] = ()) -> Retention:
    """Return the periods in force: the shipped ones, with those of the layers over them.

    Raises:
        RulesError: a layer is missing, a file is invalid, or a layer shortens what a law asks for.
    """
    from policy_audit.retention import Retention

    found: dict[str, Period] = {}
    problems: list[Problem] = []
    for root in (shipped_rules(), *layers):
        check_layer(root)
        path = root / RETENTION
        try:
            path.lstat()
        except FileNotFoundError:
            continue
        except OSError:
            pass  # reading it says why
        _read(path, found, problems)
    if problems:
        raise RulesError(problems)
    try:
        return Retention(list(found.values()))
    except ValueError:
        message = "no period is for every entry"
        raise RulesError(Problem("no-period", message, help="a period without `regulations` is")) from None


def regulations_of(document: bytes) -> tuple[str, ...] | None:
    """Return the regulations that a recorded workload names; None where it does not say, or cannot be read."""
    try:
        value: Any = json.loads(document)["spec"]["data"]["regulations"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(value)


def _read(path: Path, into: dict[str, Period], problems: list[Problem]) -> None:
    documents = load_yaml(read_bytes(path, RulesError), str(path), RulesError)
    if len(documents) != 1:
        problems.append(Problem("several-documents", "one document is needed here", Span(str(path), 1, 1)))
        return
    reader = Reader(documents[0], problems)
    reader.only(("periods",))
    own: set[str] = set()
    for item in reader.items("periods"):
        period = _period(item)
        if period is None:
            continue
        if period.id in own:
            item.problem("duplicate-id", f"two periods are called `{period.id}`", "id", help_="keep one of them")
            continue
        own.add(period.id)
        before = into.get(period.id)
        if before is not None and before.minimum and _weakens(before, period):
            message = f"the period `{period.id}` is a minimum ({before.source}) and may not be shortened or narrowed"
            item.problem("locked", message, "id")
            continue
        into[period.id] = period


def _weakens(before: Period, after: Period) -> bool:
    if after.months < before.months or not after.minimum:
        return True
    if after.regulations is None:
        return False
    return before.regulations is None or not before.regulations <= after.regulations


def _period(item: Reader) -> Period | None:
    from policy_audit.retention import Period

    item.only(_KEYS)
    name, source = item.text("id", required=True), item.text("source", required=True)
    years, months = item.value.get("years"), item.value.get("months")
    counts = [value for value in (years, months) if value is not None]
    if not counts or any(type(value) is not int or not 0 < value <= _MOST_YEARS for value in counts):
        item.problem("wrong-type", f"a period needs whole `years` or `months`, from 1 to {_MOST_YEARS}")
        return None
    regulations = item.texts("regulations") if "regulations" in item.value else None
    if regulations is not None and not regulations:
        item.problem("empty", "`regulations` is empty", "regulations", help_="without that key it is for every entry")
        return None
    if not name or not source:
        return None
    return Period(
        id=name,
        months=(years or 0) * 12 + (months or 0),
        source=source,
        regulations=frozenset(regulations) if regulations is not None else None,
        minimum=item.flag("minimum"),
        says=item.text("says") or "",
    )
