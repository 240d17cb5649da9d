"""What a CI system is told of a run of `policy gate` or `policy evaluate`: reports of findings, in its own formats."""
