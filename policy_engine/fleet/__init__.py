"""A fleet of workloads, decided by columns (extra `fleet`): the same rules and the same catalog, one row a task.

Nothing here imports Polars or Ray before a fleet is swept.
"""
