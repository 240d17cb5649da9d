"""Decide where an AI workload may run, explain it, and put it on record."""

__version__ = "0.1.0"

#: Changes only when the same inputs could give another decision.
SEMANTICS_VERSION = "1"
