"""What is said where a library of the extra `parity` is not installed."""

from __future__ import annotations

from policy_engine.errors import Problem, UsageError


def missing(library: str) -> UsageError:
    """Return the error that says what to install."""
    message = f"to compare models by this metric takes {library}, which is not installed"
    return UsageError(Problem("extra-missing", message, help="pip install 'policy-engine[parity]'"))
