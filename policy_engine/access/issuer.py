"""The settings of an issuer of access tokens, without what verifies them."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class Oidc(Struct, frozen=True):
    """Whose access tokens count, and which claims say who and what. `roles` is by the claim's value."""

    issuer: str
    audience: str
    keys: Path
    roles_claim: str = "roles"
    subject_claim: str = "sub"
    roles: tuple[tuple[str, str], ...] = ()
    """Claim value and role; without any, a claim's value counts as the role of its name."""
