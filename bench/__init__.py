"""Figures, never tests: the engine against its peers, a whole decision, and the command line, as ratios of one run."""
