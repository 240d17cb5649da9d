"""Which contenders of an option meet the needs of each row, in three values (`catalog.qualify`)."""

from __future__ import annotations

from policy_engine.catalog.cost import SELF_RUN
from policy_engine.fleet.building import Plan, Truth, both, either, negated
from policy_engine.fleet.contenders import Contender
from policy_engine.fleet.needed import NeedColumns


class Entry:
    """A contender in the plan: whether it surely meets the needs, or may, and what makes it uncertain."""

    def __init__(self, needs: NeedColumns, contender: Contender) -> None:
        self.contender = contender
        self.name = contender.name
        self._needs = needs
        self._out: list[Truth] = []
        self._open: list[Truth] = []
        self._gaps: list[Truth] = []
        self._floor_gaps: list[Truth] = []
        #: What makes this contender uncertain where it makes not all of them so, by the fact that would tell.
        self.waits: dict[str, Truth] = {}
        self._check_model()
        self._check_scores()
        self._check_place()
        self._parts: tuple[Truth, Truth] = (False, False)
        self.sure: Truth = False
        self.maybe: Truth = False

    def check(self, plan: Plan) -> None:
        """Name what the checks say; after the step that named the needs."""
        self._parts = plan.hold(either(self._out)), plan.hold(either([*self._open, self._needs.blank]))

    def settle(self, plan: Plan) -> None:
        """Name what the checks come to; after the next step."""
        out, unknown = self._parts
        self.sure = plan.hold(both(negated(out), negated(unknown)))
        self.maybe = plan.hold(both(negated(out), unknown))

    @property
    def profile(self) -> tuple[str, ...]:
        """What the catalog lacks of it, for comparison: those that lack the same are counted once."""
        return (*map(str, self._gaps), "floors", *map(str, self._floor_gaps))

    def gaps(self) -> list[Truth]:
        """Return whether the catalog lacks at least one figure that would tell, at least two, and so on."""
        least = list(self._floor_gaps)
        for more in self._gaps:
            shifted: list[Truth] = [True, *least]
            least = [either([here, both(below, more)]) for here, below in zip([*least, False], shifted, strict=True)]
        return least

    def _check_model(self) -> None:
        needs, candidate = self._needs, self.contender.candidate
        model = candidate.model
        if candidate.meant is None:
            self._lacking(True)
        if model.modalities is None:
            self._lacking(negated(needs.modalities_unknown))
        else:
            self._out += [asked for name, asked in needs.modality.items() if name not in model.modalities]
        if model.context_tokens is None:
            self._lacking(negated(needs.context_unknown))
        else:
            self._out.append(needs.above(model.context_tokens))
        if candidate.option in SELF_RUN:
            self._check_licence()
        if candidate.option == "edge":
            self._out.append(needs.edge_unwanted)

    def _check_licence(self) -> None:
        needs = self._needs
        verdict = needs.policy.catalog.licence(self.name)
        if verdict is None:
            self._lacking(negated(needs.not_commercial))
        elif verdict == "forbidden":
            self._out.append(needs.commercial)
            self._waiting("workload.organisation", needs.commercial_unknown)

    def _check_scores(self) -> None:
        needs, bar = self._needs, self._needs.policy.catalog.rules.high_quality_score
        out, unknown, gaps = needs.floor_truths(self.contender)
        self._out.append(out)
        self._open.append(unknown)
        self._floor_gaps = gaps
        for score, read, asked in zip(self.contender.scores, needs.reads, needs.asks_score, strict=True):
            if score is None:
                self._lacking(asked)
            elif score < bar:
                self._out.append(both(read, needs.high))
                if score < 0.0:
                    self._out.append(both(read, needs.best))
            if score is None or score < bar:
                self._waiting("task.quality", both(read, needs.quality_unknown))

    def _check_place(self) -> None:
        if self.contender.option in SELF_RUN:
            return
        out, unknown = self._needs.placed(self.contender)
        self._out.append(out)
        self._waiting("data.residency", unknown)

    def _lacking(self, where: Truth) -> None:
        self._open.append(where)
        self._gaps.append(where)

    def _waiting(self, fact: str, where: Truth) -> None:
        self._open.append(where)
        self.waits[fact] = either([self.waits.get(fact, False), where])


class Qualified:
    """The contenders of one option, and which of them come nearest where none surely meets the needs."""

    def __init__(self, option: str, entries: list[Entry]) -> None:
        self.option, self.entries = option, entries
        self.any_sure: Truth = False
        self.any_maybe: Truth = False
        self.nearest: list[Truth] = []

    def settle(self, plan: Plan) -> None:
        """Name what the option has; after the step that settled its entries."""
        self.any_sure = plan.hold(either(each.sure for each in self.entries))
        self.any_maybe = plan.hold(either(each.maybe for each in self.entries))
        profiles = {each.profile: each.gaps() for each in self.entries}
        most = max(map(len, profiles.values()), default=0)
        #: Whether one that may meet the needs lacks at most so many figures.
        self._some_within: list[Truth] = []
        for count in range(most):
            within = (
                both(either(each.maybe for each in self.entries if each.profile == profile), negated(_at(gaps, count)))
                for profile, gaps in profiles.items()
            )
            self._some_within.append(plan.hold(either(within)))
        self._lacking = {profile: [plan.hold(part) for part in gaps] for profile, gaps in profiles.items()}

    def settle_nearest(self, plan: Plan) -> None:
        """Name those of which the catalog knows most, where none surely meets the needs; after another step."""
        for each in self.entries:
            gaps = self._lacking[each.profile]
            further = either(both(_at(gaps, count), some) for count, some in enumerate(self._some_within))
            self.nearest.append(plan.hold(both(negated(self.any_sure), each.maybe, negated(further))))


def _at(gaps: list[Truth], count: int) -> Truth:
    """Return whether more than `count` figures lack."""
    return gaps[count] if count < len(gaps) else False
