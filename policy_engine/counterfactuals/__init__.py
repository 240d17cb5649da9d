"""The nearest changes of a workload that would change its verdict or its recommendation, found exactly."""
