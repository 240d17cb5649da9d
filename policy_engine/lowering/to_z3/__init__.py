"""Lower checked conditions to Z3: a pair of formulas each, surely true and surely false."""

from policy_engine.lowering.to_z3.engine import UndeterminedError, outcome
from policy_engine.lowering.to_z3.finding import find
from policy_engine.lowering.to_z3.lower import Lowering, NotLoweredError
from policy_engine.lowering.to_z3.symbols import Symbols, constants_of, fixed
from policy_engine.lowering.to_z3.values import Items, Number, Other, Text, Truth, Value, decided

__all__ = [
    "Items",
    "Lowering",
    "NotLoweredError",
    "Number",
    "Other",
    "Symbols",
    "Text",
    "Truth",
    "UndeterminedError",
    "Value",
    "constants_of",
    "decided",
    "find",
    "fixed",
    "outcome",
]
