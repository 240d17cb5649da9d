"""What a change of rules changes: for every workload that there could be, and for the decisions on record."""
