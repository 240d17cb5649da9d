"""The baseline of `policy gate`: which findings its status leaves out, and the file that says so.

INVARIANT: a baseline makes nothing green by being written: the status is that of the baseline that was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import Place
from policy_engine.cli.waiver_common import Day
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.baselines.applying import Applied
    from policy_engine.baselines.entry import Entries
    from policy_engine.baselines.reading import Baseline
    from policy_engine.baselines.writing import Terms
    from policy_engine.ci.judged import Judged, JudgedWorkload
    from policy_engine.cli.run_options import Option, Run
    from policy_engine.loading.policy import Policy

DEFAULT_DAYS = 90
BASELINE_OPTIONS: tuple[Option, ...] = (
    click.option(
        "--baseline",
        metavar="FILE",
        type=Place(),
        help="Known findings, which the exit status leaves out while they last; the decisions stay what they are.",
    ),
    click.option(
        "--write-baseline",
        metavar="FILE",
        type=Place(),
        help="Write the findings of this run as a baseline, or bring FILE up to date; changes no exit status.",
    ),
    click.option(
        "--reason",
        "--baseline-reason",
        "baseline_reason",
        metavar="TEXT",
        help="Why the new entries of the baseline are accepted; it needs one.",
    ),
    click.option(
        "--baseline-expires",
        metavar="DATE",
        type=Day(),
        help=f"Their last day (UTC), within a year.  [default: in {DEFAULT_DAYS} days]",
    ),
)


@dataclass
class Keeper:
    """What a gate was told of baselines, and what that comes to in its run."""

    run: Run
    given: Path | None
    target: Path | None
    terms: Terms | None
    before: Baseline | None = None
    old: Baseline | None = None
    _entries: Entries | None = field(default=None, repr=False)
    _applied: Applied | None = field(default=None, repr=False)

    def read(self) -> None:
        """Read the baselines, before anything is decided.

        Raises:
            InputError: one cannot be read, or is none.
        """
        if self.given is None and self.target is None:
            return
        from policy_engine.baselines.reading import read_baseline

        day = self.run.at.date()
        if self.given is not None:
            self.before = read_baseline(self.given, day)
        if self.target is not None:
            same = self.given is not None and _is_same(self.given, self.target)
            self.old = self.before if same or not self.target.exists() else read_baseline(self.target, day)

    def accept(self, policy: Policy, made: Sequence[JudgedWorkload]) -> list[dict[str, str]]:
        """Mark the findings that are accepted, and return what the entry of each decision says of the baseline."""
        if self.given is None and self.target is None:
            return [{} for _ in made]
        from policy_engine.baselines.entry import Entries

        if self.before is None:
            self._entries = Entries(policy)
            return [{} for _ in made]
        applied = self._apply(policy, self.before)
        details = []
        for each in made:
            each.findings = applied.accept(_place(each), each.findings)
            count = sum(finding.accepted is not None for finding in each.findings)
            details.append({"baseline": self.before.digest, "baseline_accepted": str(count)})
        return details

    def _apply(self, policy: Policy, before: Baseline) -> Applied:
        from policy_engine.baselines.applying import Applied
        from policy_engine.baselines.entry import Entries

        self._entries = Entries(policy)
        self._applied = Applied(before, self._entries, self.run.at.date())
        return self._applied

    def finish(self, judged: Judged) -> None:
        """Say what the baseline came to, in the outcome and beside each decision."""
        if self._applied is None and self.before is not None and judged.policy is not None:
            self._apply(judged.policy, self.before)  # nothing was judged, and its entries are there all the same
        if self._applied is None:
            return
        judged.baseline = self._applied.use
        for each in judged.workloads:
            each.shown = {**each.shown, "baseline": _told(judged.baseline, each)}

    def write(self, judged: Judged) -> int:
        """Write the baseline that was asked for, and return the exit status of that alone."""
        from policy_engine.cli.main import OK, USAGE, show_error

        if self.target is None or self.terms is None:
            return OK
        if judged.nothing_due and not judged.problems:
            there = "left as it is" if self.old is not None else "not written"
            click.echo(f"baseline {self.target}: {there}, for nothing was judged", err=True)
            return OK
        if judged.problems or self._entries is None:
            message = "the baseline is not written: not everything that was named could be judged"
            show_error(UsageError(Problem("baseline-not-written", message, help="mend what is wrong first")))
            return USAGE
        from policy_engine.baselines.writing import baseline_text, brought_up_to_date
        from policy_engine.cli.output import write_file

        before = self.old.entries if self.old is not None else ()
        places = [_place(each) for each in judged.workloads]
        written = brought_up_to_date(before, judged.findings, places, self._entries, self.terms)
        try:
            write_file(self.target, baseline_text(written.entries))
        except OSError as error:
            message = f"cannot write `{self.target}`: {(error.strerror or str(error)).lower()}"
            show_error(UsageError(Problem("cannot-write", message)))
            return USAGE
        parts = {name: getattr(written, name) for name in ("new", "kept", "renewed", "removed")}
        said = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count or name == "new")
        left = f"; {written.left_out:,} that the policy lets no baseline accept" if written.left_out else ""
        click.echo(f"baseline {self.target}: {said}{left}", err=True)
        return OK


def keeper(run: Run, given: Path | None, target: Path | None, reason: str | None, expires: date | None) -> Keeper:
    """Return what the options come to.

    Raises:
        UsageError: they do not belong together, or the file cannot be written.
    """
    from policy_engine.cli.output import check_place

    if target is None:
        if reason is not None or expires is not None:
            message = "`--reason` and `--baseline-expires` are for a baseline that is written"
            raise UsageError(Problem("bad-baseline", message, help="give --write-baseline FILE"))
        return Keeper(run, given, None, None)
    terms = _terms(run.at.date(), reason, expires)
    check_place(target)
    if given is not None and target.exists() and not _is_same(given, target):
        message = f"`{target}` is there already, and is another baseline than `{given}`"
        raise UsageError(Problem("cannot-write", message, help="write to the one that was given, or to a new file"))
    return Keeper(run, given, target, terms)


def _terms(day: date, reason: str | None, expires: date | None) -> Terms:
    from policy_engine.baselines.reading import MOST_DAYS
    from policy_engine.baselines.writing import Terms
    from policy_engine.waivers.requesting import plain

    if reason is None:
        message = "a baseline needs a reason"
        raise UsageError(Problem("no-reason", message, help="--reason TEXT says why its findings are accepted"))
    last = expires if expires is not None else day + timedelta(days=DEFAULT_DAYS)
    if not day <= last <= day + timedelta(days=MOST_DAYS):
        message = f"`--baseline-expires {last}` is not within {MOST_DAYS} days from {day}"
        raise UsageError(Problem("bad-period", message, help="name a day within a year; it can be written anew then"))
    return Terms(plain(reason, "--reason", 1000), day, last)


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _place(each: JudgedWorkload) -> tuple[str, str]:
    workload = each.decision.document["workload"]
    return workload["namespace"], workload["name"]


def _told(use: Any, each: JudgedWorkload) -> dict[str, Any]:
    """Return what is said of the baseline beside one decision, outside of its bytes."""
    accepted = [
        {
            "code": finding.code,
            "task": finding.task,
            "option": finding.option,
            "effect": finding.effect,
            "reason": finding.accepted.reason,
            "expires": finding.accepted.expires.isoformat(),
        }
        for finding in each.findings
        if finding.accepted is not None
    ]
    idle = {name: [_idle(row) for row in getattr(use, name) if row.entry.place == _place(each)]
            for name in ("expired", "refused", "stale")}  # fmt: skip
    return {"digest": use.baseline.digest, "effect": each.effect, "accepted": accepted, **idle}


def _idle(row: Any) -> dict[str, Any]:
    entry = row.entry
    return {
        "code": entry.code,
        "task": entry.task,
        "option": entry.option,
        "fingerprint": entry.fingerprint,
        "expires": entry.expires.isoformat(),
        "why": row.why,
    }
