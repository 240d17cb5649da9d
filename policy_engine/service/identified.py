"""Whom an authorization spoke for within one second, on one ground: each request asks twice, and some ask often."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policy_engine.access.oidc import Verifier
    from policy_engine.access.principal import Principal
    from policy_engine.service.ground import Ground

_MOST = 256


class Identified:
    """What `authenticate` found, which follows from these three and the authorization; refusals are not kept."""

    def __init__(self, ground: Ground | None, at: datetime | None, oidc: Verifier | None) -> None:
        self._of = ground, at, oidc
        self.found: dict[str | None, Principal] = {}

    def is_of(self, ground: Ground, at: datetime, oidc: Verifier | None) -> bool:
        """Whether it was found by these."""
        own, moment, verifier = self._of
        return own is ground and moment == at and verifier is oidc

    def keep(self, authorization: str, principal: Principal) -> None:
        """Keep what was found."""
        if len(self.found) < _MOST:
            self.found[authorization] = principal
