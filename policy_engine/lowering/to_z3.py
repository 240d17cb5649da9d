"""Lower checked conditions to Z3: a pair of formulas each, surely true and surely false."""

import z3  # noqa: F401 - taken up by what follows
