"""That taking knowledge away never turns a denial into an approval: two worlds, of which one knows less.

Waivers are left out: one that was granted for an unknown lifts no more once the fact is known, as it should be.
"""

from __future__ import annotations

from functools import partial

from policy_engine.lowering.to_z3.formulas import both, either, neg
from policy_engine.proofs.concrete import concrete
from policy_engine.proofs.confirming import Counterexample, with_hardware
from policy_engine.proofs.encoding import Encoding
from policy_engine.proofs.prover import Prover, loose, preferences, search, wishes
from policy_engine.proofs.results import Failure, Result
from policy_engine.proofs.solving import Model, Session

MONOTONE = "less-knowledge-never-allows"
TITLE = "making a fact unknown never turns deny or review of a proposal into an allowance"
_WORSE, _BETTER = ("deny", "review"), ("allow_with_conditions", "allow")


def monotone(prover: Prover) -> Result:
    """Prove it for proposals, fallbacks included; what is coalesced is computed anew with less known."""
    less = prover.shared.knowing_less(prover.policy)
    other = Encoding(prover.policy, less, prover.at, tag=" (less)")
    mine, theirs = prover.encoding.of_proposal, other.of_proposal
    question = both(
        prover.encoding.proposed,
        either(*[mine[word] for word in _WORSE]),
        either(*[theirs[word] for word in _BETTER]),
    )
    session = Session(prover.shared, [prover.encoding, other], [less])
    session.add(neg(each) for each in prover.shared.waivers.given.values())

    def confirm(model: Model) -> Counterexample | None:
        whole = concrete(model, prover.shared, prover.policy.vocabulary.facts)
        rest = concrete(model, less, prover.policy.vocabulary.facts)
        for known, unknown in zip(with_hardware(whole), with_hardware(rest), strict=True):
            before, after = (prover.confirmer.result(each, found) for each, found in ((known, whole), (unknown, rest)))
            if before is None or after is None:
                continue
            if before.verdict in _WORSE and after.verdict in _BETTER:
                gone = sorted(name for name in before.facts if name not in after.facts)
                said = f"with {', '.join(gone)} known as the engine then says it is {before.verdict}"
                return Counterexample(unknown, after.verdict, partial(list, [said]), tuple(rest.beyond_the_file()))
        return None

    found = search(
        session,
        question,
        prover.timeout_s,
        preferences(prover.encoding, plain=False),
        lambda: loose(prover.encoding),
        confirm,
        wishes=wishes(prover.encoding, other),
    )
    failures: tuple[Failure, ...] = ()
    if isinstance(found, str):
        failures = (Failure(found, undecided=True),)
    elif found is not None:
        failures = (Failure("less is known, and what was not allowed is", found),)
    return Result(MONOTONE, TITLE, failures, "two worlds of one workload")
