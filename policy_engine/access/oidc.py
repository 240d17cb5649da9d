"""OIDC access tokens: issuer, audience and key set are pinned, and the roles come from a claim."""

from __future__ import annotations

import jwt

ALGORITHMS = ("RS256", "ES256", "EdDSA")
LIBRARY = jwt.__name__
