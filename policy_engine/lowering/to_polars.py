"""Lower checked conditions to Polars expressions: three values as Boolean, null for unknown."""

import polars  # noqa: F401 - taken up by what follows
