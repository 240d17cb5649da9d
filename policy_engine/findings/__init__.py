"""What a decision found wrong with a workload, one by one, each at the line of the file that decided.

`Collector` makes the findings of a decision; reports, baselines and the exit status of `policy gate` read them.
"""

from policy_engine.findings.collecting import Collector
from policy_engine.findings.finding import EFFECTS, Acceptance, Effect, Finding, effect_of, worst_effect

__all__ = ["EFFECTS", "Acceptance", "Collector", "Effect", "Finding", "effect_of", "worst_effect"]
