"""Pictures, drawn with matplotlib (extra `plot`): the only place that imports it."""
