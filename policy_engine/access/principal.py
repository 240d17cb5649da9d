"""Who asks, how that is known, and what they may do."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from policy_engine.errors import PolicyError, Problem

#: decide: have workloads decided. read: see what is on record. approve: approve and revoke waivers.
#: administer: create and revoke tokens, reload the rules.
ROLES = ("decide", "read", "approve", "administer")
#: How long a token counts, in days.
DEFAULT_DAYS, LONGEST_DAYS = 90, 366
#: Whoever is known, whatever their roles.
ANY = "any"


class UnauthenticatedError(PolicyError):
    """Nobody known asks: no token, or one that does not count; `token` is its id where it is one of ours."""

    def __init__(self, problems: Problem | Iterable[Problem], token: str | None = None) -> None:
        super().__init__(problems)
        self.token = token


class ForbiddenError(PolicyError):
    """Whoever asks is known, and may not do this."""


class Principal(Struct, frozen=True):
    """Somebody who was authenticated.

    `known_by` is `token`, `oidc` or, where the server is open on loopback, `loopback`; `token` is the id of the token,
    which is no secret. `namespaces` are those that they may act in; None is all.
    """

    subject: str
    roles: frozenset[str]
    known_by: str
    token: str | None = None
    namespaces: frozenset[str] | None = None

    def require(self, role: str) -> None:
        """Refuse whoever has not this role; `ANY` refuses nobody.

        Raises:
            ForbiddenError: they have not.
        """
        if role != ANY and role not in self.roles:
            had = ", ".join(sorted(self.roles)) or "none"
            message = f"this needs the role `{role}`, and yours are: {had}"
            raise ForbiddenError(Problem("role", message, help="ask an administrator for a token with that role"))

    def require_namespaces(self, namespaces: Collection[str]) -> None:
        """Refuse whoever may not act in one of these namespaces.

        Raises:
            ForbiddenError: they may not.
        """
        if self.namespaces is None:
            return
        for namespace in sorted(set(namespaces) - self.namespaces):
            message = f"your token does not reach the namespace `{namespace}`"
            raise ForbiddenError(Problem("namespace", message, help="ask an administrator for one that does"))
