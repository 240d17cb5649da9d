"""Which findings of a run a baseline accepts, and what becomes of its other entries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.baselines.entry import Entries, Entry
from policy_engine.baselines.reading import Baseline
from policy_engine.findings import Acceptance, Finding

_SAME = "no finding fits it any more"


class Idle(Struct, frozen=True):
    """An entry that accepts nothing, and why."""

    entry: Entry
    why: str


class Use(Struct, frozen=True):
    """What a baseline came to in a run.

    `accepted` counts findings. `expired` entries fit a finding that they accept no more, `refused` ones a finding that
    the policy lets no baseline accept; `stale` ones fit none on a workload that was judged. `elsewhere` counts those on
    workloads that were not, and `over` those of them that have expired.
    """

    baseline: Baseline
    accepted: int = 0
    expired: tuple[Idle, ...] = ()
    refused: tuple[Idle, ...] = ()
    stale: tuple[Idle, ...] = ()
    elsewhere: int = 0
    over: int = 0

    @property
    def idle(self) -> tuple[Idle, ...]:
        return (*self.expired, *self.refused, *self.stale)


class Applied:
    """Accepts the findings of workloads by one baseline, and gathers what that comes to."""

    def __init__(self, baseline: Baseline, entries: Entries, day: date) -> None:
        self._baseline, self._entries, self._day = baseline, entries, day
        self._known = {entry.accepts(): entry for entry in baseline.entries}
        self._fits: dict[str, Finding] = {}
        self._found: dict[tuple[str | None, ...], Entry] = {}
        self._judged: set[tuple[str, str]] = set()
        self._accepted = 0

    def accept(self, workload: tuple[str, str], findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Return the findings on a workload (namespace and name), those that the baseline accepts with their entry."""
        self._judged.add(workload)
        return tuple(self._accept(finding) for finding in findings)

    def _accept(self, finding: Finding) -> Finding:
        if finding.effect not in ("deny", "review"):
            return finding
        mine = self._entries.of(finding, "-", self._day, self._day)
        self._found[mine.about] = mine
        entry = self._known.get(mine.accepts())
        if entry is None:
            return finding
        self._fits[entry.fingerprint] = finding
        if entry.expires < self._day or not self._entries.may_accept(finding):
            return finding
        self._accepted += 1
        return replace(finding, accepted=Acceptance(entry.reason, entry.expires))

    @property
    def use(self) -> Use:
        """What the baseline came to, once every workload was asked."""
        expired: list[Idle] = []
        refused: list[Idle] = []
        stale: list[Idle] = []
        elsewhere = over = 0
        for entry in self._baseline.entries:
            finding = self._fits.get(entry.fingerprint)
            if finding is None and entry.place not in self._judged:
                elsewhere += 1
                over += entry.expires < self._day
            elif finding is None:
                stale.append(Idle(entry, self._why_stale(entry)))
            elif entry.expires < self._day:
                expired.append(Idle(entry, f"it expired on {entry.expires}"))
            elif not self._entries.may_accept(finding):
                refused.append(Idle(entry, "the policy lets no baseline accept it"))
        return Use(self._baseline, self._accepted, tuple(expired), tuple(refused), tuple(stale), elsewhere, over)

    def _why_stale(self, entry: Entry) -> str:
        """Say what is another by now, where there is such a finding still."""
        now = self._found.get(entry.about)
        if now is None:
            return _SAME
        names = sorted({*now.facts, *entry.facts})
        changed = [name for name in names if now.facts.get(name) != entry.facts.get(name)]
        if now.rules != entry.rules:
            changed.append("the rule")
        changed += [what for what in ("enforcement", "effect", "missing", "grounds")
                    if getattr(now, what) != getattr(entry, what)]  # fmt: skip
        return f"changed since: {', '.join(changed)}" if changed else _SAME
