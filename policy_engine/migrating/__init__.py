"""The migration playbook of a workload: what of it is done, what is missing, and what shows it."""
