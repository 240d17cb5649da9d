"""Everything that arithmetic says to a dispute."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from policy_engine.browsing.contest import Contest
from policy_engine.browsing.reckoned import Reckoning, months, usd_per_token, volume
from policy_engine.browsing.reckoned_figures import bills, prices, scores
from policy_engine.browsing.reckoned_sizes import licences, memory, named_models, names
from policy_engine.browsing.thresholds import thresholds

_ALL: tuple[Callable[[Contest], Iterator[Reckoning]], ...] = (
    usd_per_token,
    volume,
    months,
    thresholds,
    prices,
    scores,
    bills,
    memory,
    named_models,
    names,
    licences,
)


def reckonings(contest: Contest) -> tuple[Reckoning, ...]:
    """Return what can be worked out of the entries and parameters of `contest`, in the order of the steps."""
    return tuple(step for reckon in _ALL for step in reckon(contest))
