"""A decision that stands for a day on one ground, and what of it is of the second that it is given in.

Deciding takes long, and writing 40 kB of JSON takes long as well. Both are done once: the same workload on the same
ground has the same decision all day, but for `decided_at` and for the id that follows from it.

INVARIANT: what `Standing.at` gives has the bytes, the entries and the answer that deciding anew at its second has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from time import time as clock
from typing import TYPE_CHECKING, Any

from policy_audit.entry import Blob
from policy_audit.groups import prepare_draft
from policy_audit.renewing import Renewable

from policy_engine.decide import format_time
from policy_engine.recorder import Context, Drafter, Template
from policy_engine.service.excerpts import Excerpt, excerpt_of
from policy_engine.service.observing import fired_rules
from policy_engine.service.written import TIME, Written

if TYPE_CHECKING:
    from policy_audit.entry import Draft, Prepared
    from policy_audit.once_sealed import Once

    from policy_engine.model.decision import Decision

#: For so many who ask for one workload within one second, or from so many runs, what is recorded is kept prepared.
_MOST_CONTEXTS = 16


class Standing:
    """One decision without its second. The decision itself, whose objects take ten times its bytes, is let go."""

    def __init__(self, decision: Decision, drafter: Drafter, digest: bytes = b"") -> None:
        self.namespace: str = decision.workload.namespace
        self.name: str = decision.workload.metadata.name
        self.verdict: str = decision.verdict
        self.workload_digest: str = decision.document["workload"]["digest"]
        self.fired: frozenset[str] = fired_rules(decision)
        self.excerpt: Excerpt = excerpt_of(decision.document)
        self._written = Written(decision.document, decision.workload.metadata.owner)
        # what `content` would write is written already
        vars(decision)["content"] = self._written.content(decision.document[TIME])
        self._template = drafter.template(decision)
        self._latest: Timed | None = None
        #: From which part of a second on it is made anew: not all workloads at once, and those of one body, by its
        #: SHA-256 (`digest`), together and in all workers alike.
        self._phase = int.from_bytes(digest[:4]) / 2**32

    @property
    def size(self) -> int:
        """The bytes that are kept of it, about: what is recorded, what is answered, its template, the latest second."""
        return 5 * self._written.size

    def write(self, *, all_rules: bool) -> None:
        """Write what is answered ahead of its time, in a thread that may take a while."""
        self._written.write(all_rules=all_rules)

    def at(self, moment: datetime) -> Timed:
        """Return the decision as made at `moment`, a whole second, or as made one second before it.

        A second's first decisions take ten times as long as its others: their documents are new. Each workload has its
        own part of the second for that, until which the decision of the second before goes on: it stands on the same
        ground, which still holds. In several threads at worst it is made twice.
        """
        latest = self._latest
        if latest is not None:
            age, part = (moment - latest.moment).total_seconds(), clock() - moment.timestamp()
            same_day = moment.date() == latest.moment.date()
            if age == 0 or (age == 1 and same_day and 0 <= part < self._phase):
                return latest
        latest = self._latest = Timed(moment, self._written, self._template)
        return latest


class Timed:
    """A decision made at one second."""

    def __init__(self, moment: datetime, written: Written, template: Template) -> None:
        self.moment, self.time = moment, format_time(moment)
        content = Blob(written.content(self.time))
        self.id = content.digest.removeprefix("sha256:")
        self._written = written
        self._template = template.at(self.time, content, self.id)
        self._prepared: dict[tuple[Any, ...], list[Renewable]] = {}

    def entry(self, context: Context) -> Prepared:
        """Return the decision's entry, with commitments of its own."""
        return self._entries(context)[0].renewed()

    def used(self, context: Context) -> list[Prepared]:
        """Return the entries of the waivers that it used."""
        return [each.renewed() for each in self._entries(context)[1:]]

    def draft(self, context: Context, once: Once) -> Draft:
        """Return the decision's entry, not prepared yet, as what is recorded once."""
        return replace(self._template.draft(context), once=once)

    def answer(self, ledger: Mapping[str, Any], *, all_rules: bool) -> bytes:
        """Return what whoever asked is answered, once it stands at that place in the ledger."""
        return self._written.answer(self.time, self.id, ledger, all_rules=all_rules)

    def _entries(self, context: Context) -> list[Renewable]:
        who = (
            context.purpose,
            context.actor,
            context.actor_known_by,
            context.subject,
            *sorted(context.details.items()),
        )
        found = self._prepared.get(who)
        if found is None:
            drafts = [self._template.draft(context), *self._template.used(context)]
            found = [Renewable(prepare_draft(each)) for each in drafts]
            if len(self._prepared) < _MOST_CONTEXTS:
                self._prepared[who] = found
        return found
