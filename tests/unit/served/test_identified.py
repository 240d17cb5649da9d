"""Whom an authorization spoke for is known for one second, on one ground, by one issuer's keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from policy_engine.access.authenticating import ANYBODY
from policy_engine.service.identified import Identified

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_it_is_of_one_second_one_ground_and_one_issuer() -> None:
    ground: Any = object()
    oidc: Any = object()
    found = Identified(ground, NOW, oidc)
    assert found.is_of(ground, NOW, oidc)
    others: list[tuple[Any, datetime, Any]] = [
        (object(), NOW, oidc),
        (ground, NOW + timedelta(seconds=1), oidc),
        (ground, NOW, object()),
        (ground, NOW, None),
    ]
    assert not any(found.is_of(*each) for each in others)


def test_it_keeps_a_bounded_number() -> None:
    found = Identified(None, None, None)
    for number in range(10_000):
        found.keep(f"Bearer {number}", ANYBODY)
    assert 1 <= len(found.found) <= 1000
