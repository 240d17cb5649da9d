"""What a workload costs by option and model: total cost of ownership, pay-back, break-even; with the assumptions."""
