"""Whether decisions on record still stand: asked of all that `policy recheck` looks at, as AuthZEN's answers are.

What was found of a decision is remembered as long as nothing came on record that bears on decisions, under the same
policy, on the same day: a page of many rows asks for each of them once. INVARIANT: what cannot be told is said so.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from policy_engine.decide import Decider
from policy_engine.rechecks.again import Rechecker
from policy_engine.rechecks.persons import Persons
from policy_engine.rechecks.problem import NotRecheckedError
from policy_engine.rechecks.standing import Standing
from policy_engine.service.ground import BEARING, now

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy
    from policy_engine.rechecks.due import Reason

_MOST_KNOWN = 20_000
#: For so long what was found is taken again, in seconds: a grant that another clock dated ahead begins to count.
_LONGEST = 300.0
Key = tuple[str, int, date]


class Still(Struct, frozen=True):
    """Why a decision does not stand any more, by kind and in words (none: it does), or why that cannot be told."""

    reasons: tuple[tuple[str, str], ...] = ()
    untold: str | None = None

    @property
    def stands(self) -> bool:
        return not self.reasons and self.untold is None

    @property
    def has_only_run_out(self) -> bool:
        """Whether its end is past, and nothing else is otherwise."""
        return self.untold is None and {kind for kind, _ in self.reasons} == {"expired"}


class Asking:
    """Asks of the decisions of one ledger, at one moment, under one policy; what they rest on is read once."""

    def __init__(self, ledger: Ledger, policy: Policy) -> None:
        self._ledger, self._policy, self._at = ledger, policy, now()
        self._rechecker: Rechecker | None = None
        self._facts: tuple[Any, Any] | None = None

    def of(self, index: int, document: Mapping[str, Any]) -> Still:
        """Return whether the decision of an entry stands; `document` is the entry, parsed."""
        said = []
        if document["view"].get("policy_digest") != self._policy.digest:
            said.append(("policy", "it was decided under another policy than the one in force"))
        try:
            due: Iterable[Reason] = self._find(Standing(index, dict(document)))
        except NotRecheckedError as error:
            return Still(tuple(said), f"whether it stands cannot be told: {error.why}")
        return Still((*said, *((each.kind, each.why) for each in due)))

    def _find(self, standing: Standing) -> Iterable[Reason]:
        from policy_engine.rechecks.waived import WaiversNow
        from policy_engine.vouching.revoked import revoked_names

        if self._rechecker is None or self._facts is None:
            persons = Persons(self._ledger, sealed_is_fine=True)
            self._rechecker = Rechecker(self._ledger, Decider(self._policy), self._at, None, persons)
            waivers = WaiversNow(self._ledger, self._policy.approvers, self._at).of
            self._facts = waivers, revoked_names(self._ledger).keys()
        return self._rechecker.find(standing, *self._facts).reasons


class Stillness:
    """What one worker found of decisions on record."""

    def __init__(self) -> None:
        self._key: Key | None = None
        self._since = 0.0
        self._known: dict[int, Still] = {}

    def of(
        self, ledger: Ledger, policy: Policy, indexes: Iterable[int], seconds: float | None = None
    ) -> dict[int, Still]:
        """Return whether each of the decisions stands, by the indexes of their entries.

        Where it takes longer than `seconds`, those that were not come to are left out: they cannot be told yet.
        """
        began = time.monotonic()
        # the size first: what comes while the rest is read is asked for anew the next time
        key = (policy.digest, ledger.latest(BEARING), now().date())
        if key != self._key or began - self._since > _LONGEST or len(self._known) > _MOST_KNOWN:
            self._key, self._since, self._known = key, began, {}
        known, asking, found = self._known, Asking(ledger, policy), dict[int, Still]()
        for index in indexes:
            if index in known:
                found[index] = known[index]
            elif seconds is None or time.monotonic() - began <= seconds:
                document = ledger.entry(index).document
                found[index] = asking.of(index, document)
                if not _ends_on(document, key[2]):
                    known[index] = found[index]
        return found


def _ends_on(document: Mapping[str, Any], day: date) -> bool:
    """Whether a decision ends within the day: what is true of it now is not true all day."""
    return str(document["view"].get("valid_until")).startswith(day.isoformat())
