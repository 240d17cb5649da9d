"""The report on an exported folder: numbered steps, remarks, and how people and programs read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from policy_audit.report import Step

STEPS = (
    ("checkpoint", "the checkpoint is of the pinned origin, and signed by the log's key at its size"),
    ("tree", "the hash tiles give the signed root, and each hash above level 0 is the root of the tile below it"),
    ("entries", "every entry has the leaf hash that the tiles hold"),
    ("canonical", "entries of the format policy-audit/v1 are canonical; others are opaque bytes"),
    ("documents", "every document that an entry names has its digest, or was disposed of"),
    (
        "rotations",
        "every change of the log's key is signed by the key before it and the new one, for the tree before its entry, "
        "and leads to or from a pinned key",
    ),
    ("kept", "the tree continues every kept checkpoint and receipt, which the log's key at its size signed"),
    ("files", "what else lies in the folder agrees with it, or is not covered and named below"),
)
#: Steps that may be left out without the verification failing: nothing was there, or nothing was given.
OPTIONAL = ("entries", "canonical", "documents", "rotations", "kept")


@dataclass
class FolderReport:
    """What was verified, against what, each step's result, and what is worth knowing but no failure."""

    origin: str
    size: int = 0
    root: str = ""
    own: int = 0
    """How many entries are of the format `policy-audit/v1`."""
    steps: list[Step] = field(default_factory=lambda: [Step(n, *step) for n, step in enumerate(STEPS, start=1)])
    remarks: list[str] = field(default_factory=list)
    uncovered: int = 0
    uncovered_files: list[str] = field(default_factory=list)
    """The first of the files that the checkpoint does not cover, and that were therefore not verified."""

    @property
    def ok(self) -> bool:
        """True where no step failed, and none was left out that had to run."""
        return all(step.status == "ok" or (step.status == "skipped" and step.name in OPTIONAL) for step in self.steps)

    @property
    def first_failing(self) -> tuple[int, int] | None:
        """The range that the first failing entry lies in, of one index where a step knows it exactly; else None."""
        ranges = [
            (step.first_index, step.first_index if step.last_index is None else step.last_index)
            for step in self.steps
            if step.first_index is not None
        ]
        return min(ranges, key=lambda found: (found[0] != found[1], found), default=None)

    def step(self, name: str) -> Step:
        """Return the step of this name (`STEPS`)."""
        return next(step for step in self.steps if step.name == name)

    def value(self) -> dict[str, Any]:
        """Return the report for programs: JSON with stable keys."""
        first, last = self.first_failing or (None, None)
        keys = (
            "number",
            "name",
            "title",
            "status",
            "checked",
            "problems",
            "first_problem",
            "first_index",
            "last_index",
        )
        return {
            "kind": "FolderVerification",
            "ok": self.ok,
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "own_entries": self.own,
            "first_failing_index": first,
            "last_failing_index": last,
            "steps": [{key: getattr(step, key) for key in keys} for step in self.steps],
            "remarks": self.remarks,
            "uncovered": {"count": self.uncovered, "first": self.uncovered_files},
        }

    def lines(self) -> Iterator[str]:
        """Yield the report for people, line by line."""
        for step in self.steps:
            checked = f", {step.checked:,} checked" if step.checked else ""
            yield f"{step.number}. {step.name}: {step.status}{checked}: {step.first_problem or step.title}"
            if step.problems > 1:
                yield f"   and {step.problems - 1:,} more"
        for remark in self.remarks:
            yield f"remark: {remark}"
        if self.uncovered:
            yield f"remark: {self.uncovered:,} files are not covered by the checkpoint, and were not verified:"
            yield from (f"   {path}" for path in self.uncovered_files)
        yield self._verdict()

    def _verdict(self) -> str:
        if self.ok:
            skipped = [step.name for step in self.steps if step.status == "skipped"]
            left = f"; not checked: {', '.join(skipped)}" if skipped else ""
            return f"VERIFIED: {self.size:,} entries of `{self.origin}`, root {self.root}{left}"
        failed = [step.name for step in self.steps if step.problems]
        text = f"FAILED: {', '.join(failed)}"
        if self.first_failing is None:
            return text
        first, last = self.first_failing
        where = f"the first failing index is {first}" if first == last else f"it lies in entries {first} to {last}"
        return f"{text}; {where}"
