"""Try the changes of single facts, and, where none mends a task that is held up, of two at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from policy_engine.counterfactuals.changed import VOLUME, Changed
from policy_engine.counterfactuals.choices import Domain, numeric
from policy_engine.counterfactuals.costs import turning_points
from policy_engine.counterfactuals.domains import Domains
from policy_engine.counterfactuals.grounds import Came, Reply
from policy_engine.counterfactuals.pieces import Piece, cut_up
from policy_engine.counterfactuals.trial import Trial


class Tried(Struct, frozen=True):
    """A fact's changes with what each comes to; None where no workload can say so. `others` are replies that differ."""

    domain: Domain
    came: tuple[Came | None, ...]
    others: frozenset[Reply]


def tried_of(domain: Domain, came: Iterable[Came | None], before: Reply) -> Tried:
    """Return what was tried of one fact."""
    found = tuple(came)
    others = {each.reply for each in found if each is not None and each.reply != before}
    return Tried(domain, found, frozenset(others))


def singles(trial: Trial, domains: Domains) -> list[Tried]:
    """Try every change of every fact."""
    return [_tried(trial, domain) for domain in domains.of(trial.world, trial.result)]


def _tried(trial: Trial, domain: Domain) -> Tried:
    if domain.fact in VOLUME:
        return _of_volume(trial, domain)
    known: dict[Any, Came | None] = {}
    if domain.now is not None:
        known[domain.choices[domain.now].key] = trial.now
    found: list[Came | None] = []
    for place, choice in enumerate(domain.choices):
        if place == domain.now:
            found.append(trial.now)
        elif choice.key is None:
            found.append(trial.ask(choice.changes))
        else:
            if choice.key not in known:
                known[choice.key] = trial.ask(choice.changes)
            found.append(known[choice.key])
    return tried_of(domain, found, trial.before)


def _of_volume(trial: Trial, domain: Domain) -> Tried:
    """Try a volume; where the reply rests on costs, the piece is cut where their order turns."""
    starts: list[int] = []
    known: dict[int, Came | None] = {}
    for place, choice in enumerate(domain.choices):
        piece: Piece = choice.value
        start = int(piece.start)
        known[start] = trial.ask(choice.changes)
        starts.append(start)
        if trial.weighed or trial.licensed:
            starts += _turning(trial, domain.fact, piece)
        elif place == domain.now:
            known[start] = trial.now
    if len(starts) == len(domain.choices):
        return tried_of(domain, [known[start] for start in starts], trial.before)
    pieces = cut_up(starts, int(domain.choices[0].value.start), max(starts))
    finer = numeric(domain.fact, pieces, trial.world.facts.get(domain.fact), True)
    found: list[Came | None] = []
    for place, choice in enumerate(finer.choices):
        start = int(choice.value.start)
        if place == finer.now:
            found.append(trial.now)
        else:
            found.append(known[start] if start in known else trial.ask(choice.changes))
    return tried_of(finer, found, trial.before)


def _turning(trial: Trial, name: str, piece: Piece) -> Iterator[int]:
    """Yield where the order of costs turns within a piece, as far as the reply can rest on it."""
    facts, sent = trial.world.facts, name == VOLUME[0]
    other, share = facts.get(VOLUME[1] if sent else VOLUME[0]), facts.get("task.share")
    if other is None or share is None:
        return
    weighed, licensed, catalog = trial.weighed, trial.licensed, trial.world.catalog
    at = Changed(trial.world, {name: int(piece.start)})
    end = float(piece.end) if piece.end is not None else float(2**53)

    def turns(options: Iterable[str]) -> Iterator[int]:
        found = [at.models(option) for option in options]
        yield from turning_points(found, sent, float(other), share, float(piece.start), end)

    yield from turns(sorted(weighed))
    for option in sorted(licensed - weighed):
        if len({catalog.licence(each.name) for each in at.models(option).contenders}) > 1:
            yield from turns([option])
