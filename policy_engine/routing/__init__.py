"""The route of each task: which model serves it, and what stands in for it."""
