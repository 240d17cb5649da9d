"""The fleet on Ray Data (extra `ray`): the same function over blocks, on one machine or a cluster."""

import ray  # noqa: F401 - taken up by what follows
