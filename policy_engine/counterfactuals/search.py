"""Try the changes of single facts, and, where none mends a task that is held up, of two at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from policy_engine.counterfactuals.changed import VOLUME, Changed
from policy_engine.counterfactuals.choices import Domain, numeric
from policy_engine.counterfactuals.costs import turning_points
from policy_engine.counterfactuals.domains import Domains
from policy_engine.counterfactuals.pieces import Piece, cut_up
from policy_engine.counterfactuals.trial import Reply, State, Trial

_Outcome = tuple[Reply | None, State | None]


class Tried(Struct, frozen=True):
    """A fact's changes with what each comes to; None where no workload can say so. `others` are those that differ.

    `moved` has, of each that moves anything that the verdict rests on, what that is then.
    """

    domain: Domain
    replies: tuple[Reply | None, ...]
    others: frozenset[Reply]
    moved: tuple[State | None, ...]


def tried_of(
    domain: Domain, replies: Sequence[Reply | None], before: Reply, moved: Sequence[State | None] = ()
) -> Tried:
    """Return what was tried of one fact."""
    others = frozenset({each for each in replies if each is not None and each != before})
    return Tried(domain, tuple(replies), others, tuple(moved))


def singles(trial: Trial, domains: Domains) -> list[Tried]:
    """Try every change of every fact."""
    return [_tried(trial, domain) for domain in domains.of(trial.world, trial.result)]


def _tried(trial: Trial, domain: Domain) -> Tried:
    if domain.fact in VOLUME:
        return _of_volume(trial, domain)
    known: dict[Any, _Outcome] = {}
    if domain.now is not None:
        known[domain.choices[domain.now].key] = (trial.before, None)
    found: list[_Outcome] = []
    for place, choice in enumerate(domain.choices):
        if place == domain.now:
            found.append((trial.before, None))
        elif choice.key is None:
            found.append(_ask(trial, choice.changes))
        else:
            if choice.key not in known:
                known[choice.key] = _ask(trial, choice.changes)
            found.append(known[choice.key])
    return tried_of(domain, [reply for reply, _ in found], trial.before, [moved for _, moved in found])


def _ask(trial: Trial, changes: Mapping[str, Any]) -> _Outcome:
    reply = trial.reply(changes)
    return reply, trial.state if trial.moved and reply is not None else None


def _of_volume(trial: Trial, domain: Domain) -> Tried:
    """Try a volume; where the reply rests on costs, the piece is cut where their order turns."""
    starts: list[int] = []
    known: dict[int, _Outcome] = {}
    for place, choice in enumerate(domain.choices):
        piece: Piece = choice.value
        start = int(piece.start)
        known[start] = _ask(trial, choice.changes)
        starts.append(start)
        if trial.weighed or trial.licensed:
            starts += _turning(trial, domain.fact, piece)
        elif place == domain.now:
            known[start] = (trial.before, None)
    if len(starts) == len(domain.choices):
        found = [known[start] for start in starts]
        return tried_of(domain, [reply for reply, _ in found], trial.before, [moved for _, moved in found])
    pieces = cut_up(starts, int(domain.choices[0].value.start), max(starts))
    finer = numeric(domain.fact, pieces, trial.world.facts.get(domain.fact), True)
    found = []
    for place, choice in enumerate(finer.choices):
        start = int(choice.value.start)
        if place == finer.now:
            found.append((trial.before, None))
        else:
            found.append(known[start] if start in known else _ask(trial, choice.changes))
    return tried_of(finer, [reply for reply, _ in found], trial.before, [moved for _, moved in found])


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
