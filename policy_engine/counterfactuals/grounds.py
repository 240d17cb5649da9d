"""What a reply rests on, and what a task comes to by it."""

from __future__ import annotations

from typing import NamedTuple

from policy_engine.counterfactuals.bits import Bits
from policy_engine.model.task_case import Obligation, Verdict
from policy_engine.model.waiver import NOTHING, Pairs

Available = tuple[bool | None, ...]
#: Evidence and its grade, None where there is none.
Grades = tuple[tuple[str, str | None], ...]


class Reply(NamedTuple):
    """What a task comes to; `statuses` in the order of the options.

    `provisional` is the option that is named where none is recommended: the first of those that may be permitted.
    """

    verdict: Verdict
    recommended: str | None
    statuses: tuple[str, ...]
    provisional: str | None


class Beside(NamedTuple):
    """What the verdict on a fallback rests on: of the outcomes, those of rules that forbid."""

    bits: Bits
    available: Available
    option: str
    model: bool | None


class Grounds(NamedTuple):
    """All that a reply rests on but costs: changes with the same grounds come to the same where no costs are weighed.

    `available` is what the catalog says of each option, `option` the proposed one, None where nothing is proposed, and
    `model` what the catalog says of the proposed model there. `grades` are those of evidence that are others.
    """

    bits: Bits
    available: Available
    option: str | None
    model: bool | None
    grades: Grades
    beside: Beside | None


class Came(NamedTuple):
    """What some changes come to, and why: the judged option, what is owed for it, and what waivers lift.

    `own` is the verdict without the fallback's, which is `beside`. `ruling` is what is made of the proposal. `needs`:
    more is needed of a model, or less, or something else, so that costs are others.
    """

    reply: Reply
    grounds: Grounds
    judged: str | None
    ruling: bool | None
    owed: tuple[Obligation, ...]
    own: Verdict
    beside: Verdict | None = None
    needs: bool = False
    lifted: Pairs = NOTHING
