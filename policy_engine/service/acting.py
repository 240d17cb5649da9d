"""Acts that rest on what is on record: read, checked, and appended only where nothing came between.

INVARIANT: an act is recorded only where no entry that it rests on, nor one of who may act, was appended since it was
read; the ledger checks that in the commit itself. Several workers share nothing but the ledger, and need nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct
from policy_audit.groups import Group, Guard

from policy_engine.access.principal import Principal
from policy_engine.errors import RecordingError
from policy_engine.recorder import Context, recordable
from policy_engine.service.ground import BEARING

if TYPE_CHECKING:
    from policy_audit.entry import Draft
    from policy_audit.ledger import Ledger, Recorded

    from policy_engine.service.service import Service

T = TypeVar("T")
_TRIES = 5


class Acted(Struct, Generic[T], frozen=True):
    """What was done: the entries, in order, what the work says of it, and who did it."""

    recorded: Sequence[Recorded]
    told: T
    principal: Principal


Work = Callable[["Ledger", Principal], "tuple[Sequence[Draft], T]"]


async def act(
    service: Service, authorization: str | None, role: str, work: Work[T], types: Collection[str] = ()
) -> Acted[T]:
    """Do `work`, which reads the ledger and returns what is to be appended; it is done again where that moved.

    `types` are the entries that it rests on, beside those that decisions do. The request was admitted before.

    Raises:
        UnauthenticatedError, ForbiddenError: whoever asks may not act.
        PolicyError: what `work` refuses.
        RecordingError: the ledger refused; nothing was recorded.
    """
    resting = BEARING | frozenset(types)
    for left in range(_TRIES - 1, -1, -1):
        # the size first: what comes while the rest is read is found by the guard
        size = await service.read(lambda ledger: ledger.latest(resting))
        principal = await service.identified(authorization)
        principal.require(role)
        drafts, told = await service.read(lambda ledger, who=principal: work(ledger, who))  # type: ignore[misc]
        if not drafts:
            return Acted((), told, principal)
        try:
            recorded = await service.committer.append(Group(drafts, Guard(resting, size)))
        except RecordingError as error:
            if error.code != "ledger-moved" or not left:
                raise
            continue
        return Acted(recorded, told, principal)
    raise AssertionError("unreachable")


def context_of(principal: Principal, purpose: str = "deploy", **details: str) -> Context:
    """Return who acts, as entries hold it."""
    kept: dict[str, Any] = {name: value for name, each in details.items() if (value := recordable(each))}
    if principal.token is not None:
        kept["token"] = principal.token
    return Context(purpose, recordable(principal.subject) or None, principal.known_by, kept)
