"""Whose a recorded workload is: the names that its entry commits to, opened."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from policy_audit.commitment import opens

from policy_engine.rechecks.problem import NotRecheckedError
from policy_engine.rechecks.standing import Standing

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

#: Who answers for a workload; a decision commits to the owner at least.
NAMES = ("owner", "champion")
Gone = Callable[[], Collection[tuple[int, str]]]


class Persons:
    """The persons of recorded workloads, as one ledger holds them.

    `sealed_is_fine`: nothing will be recorded, so that names which only the personal key opens may stay sealed.
    """

    def __init__(self, ledger: Ledger, *, sealed_is_fine: bool = False) -> None:
        self._ledger, self._sealed_is_fine = ledger, sealed_is_fine
        self._erased: Collection[tuple[int, str]] | None = None
        self._disposed: Collection[tuple[int, str]] | None = None

    def of(self, standing: Standing) -> dict[str, str]:
        """Return the names by what they are there.

        INVARIANT: a name is given only where it opens the entry's commitment, so that nobody else's is recorded.

        Raises:
            NotRecheckedError: one cannot be opened: the workload is never rechecked as somebody else's.
        """
        commitments = standing.document["commitments"]
        if "owner" not in commitments:
            raise NotRecheckedError("malformed", "its entry commits to no owner", tampered=True)
        held = self._ledger.disclosures(standing.index)
        found = {}
        for name in NAMES:
            if name not in commitments:
                continue
            if name in held and opens(commitments[name], held[name]):
                found[name] = held[name].value
            elif name in held:
                raise NotRecheckedError("altered", f"the {name} on record was altered", tampered=True)
            elif not self._may_be_sealed(standing.index, name):
                raise self._lost(standing.index, name)
        return found

    def _may_be_sealed(self, index: int, name: str) -> bool:
        return self._sealed_is_fine and name in self._ledger.sealed(index)

    def _lost(self, index: int, name: str) -> NotRecheckedError:
        if name in self._ledger.sealed(index):
            return NotRecheckedError("sealed", f"the {name} is sealed: only the personal key opens it", tampered=True)
        if self._erased is None or self._disposed is None:
            self._erased, self._disposed = self._ledger.erased(), self._ledger.disposed()
        for what, gone in (("erased", self._erased), ("disposed of", self._disposed)):
            if (index, name) in gone:
                why = f"the {name} was {what}, and nobody else answers for the workload: submit it again with one"
                return NotRecheckedError("person-gone", why)
        return NotRecheckedError("missing", f"the {name} is missing, and no entry erases it", tampered=True)
