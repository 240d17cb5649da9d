"""Write a baseline: the findings of a run that keep a gate from being green, in a stable order, for people to review.

What is written is read back as the same values, by YAML 1.2 and 1.1 alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from msgspec import Struct

from policy_engine.baselines.entry import Entries, Entry
from policy_engine.baselines.reading import API_VERSION, KIND
from policy_engine.findings import Finding
from policy_engine.loading.yaml_scalars import resolve_plain

HEAD = (
    "# Findings that `policy gate --baseline` accepts, each until its day; the decisions stay what they are.\n"
    "# Delete an entry to end it. A change of a fact, or of the rule, is a finding of its own.\n"
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
#: What JSON lets stand in a string, and YAML does not take, or reads in more than one way.
_ESCAPED = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


class Terms(Struct, frozen=True):
    """Why new entries are accepted, from which day, and through which."""

    reason: str
    added: date
    expires: date


class Written(Struct, frozen=True):
    """A new baseline: its entries, how many are new, kept, renewed after they had expired, and taken out.

    `left_out` counts the findings that the policy lets no baseline accept.
    """

    entries: tuple[Entry, ...]
    new: int
    kept: int
    renewed: int
    removed: int
    left_out: int


def brought_up_to_date(
    before: Iterable[Entry],
    findings: Iterable[Finding],
    judged: Iterable[tuple[str, str]],
    entries: Entries,
    terms: Terms,
) -> Written:
    """Return the baseline of a run's `findings`, which were found on the workloads `judged` (namespace and name).

    An entry that still fits and counts is kept as it is, so that nothing is prolonged by the way; one that had expired
    is made anew, on the new terms. What was not judged is kept, and what fits nothing is taken out.
    """
    old = {entry.accepts(): entry for entry in before}
    places = set(judged)
    found = {accepted: entry for accepted, entry in old.items() if entry.place not in places}
    untouched, kept, renewed, left_out = len(found), 0, 0, 0
    for finding in findings:
        if finding.effect not in ("deny", "review"):
            continue
        if not entries.may_accept(finding):
            left_out += 1
            continue
        entry = entries.of(finding, terms.reason, terms.added, terms.expires)
        accepted = entry.accepts()
        if accepted in found:
            continue
        known = old.get(accepted)
        if known is not None and known.expires >= terms.added:
            kept += 1
            entry = known
        elif known is not None:
            renewed += 1
        found[accepted] = entry
    new = len(found) - untouched - kept - renewed
    removed = len(old) - untouched - kept - renewed
    ordered = sorted(found.items(), key=lambda each: (*(part or "" for part in each[1].about), each[0]))
    return Written(tuple(entry for _, entry in ordered), new, kept + untouched, renewed, removed, left_out)


def baseline_text(entries: Iterable[Entry]) -> str:
    """Return the file of a baseline."""
    lines = [f"apiVersion: {API_VERSION}", f"kind: {KIND}"]
    rows = [line for entry in entries for line in _entry_lines(entry)]
    lines += ["findings:", *rows] if rows else ["findings: []"]
    return HEAD + "\n".join(lines) + "\n"


def _entry_lines(entry: Entry) -> list[str]:
    lines = []
    for name in entry.__struct_fields__:
        value = getattr(entry, name)
        if value is None or value in ({}, ()):
            continue
        if isinstance(value, Mapping):
            lines.append(f"{name}:")
            lines += [f"  {_scalar(key)}: {_value(each)}" for key, each in sorted(value.items())]
        else:
            lines.append(f"{name}: {_value(value)}")
    return [f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])]


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_scalar(each) for each in value)}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and resolve_plain(value) == value and value.lower() not in _WORDS:
            return value
        return _ESCAPED.sub(_escape, json.dumps(value, ensure_ascii=False))
    text = json.dumps(value)
    # YAML 1.1 takes 1e+22 for text, and 1.0e+22 for the number
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text


#: Words that YAML 1.1 takes for something else than text.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def _escape(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
