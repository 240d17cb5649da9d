"""The migration playbook of a workload: what of it is done, and what is missing."""
