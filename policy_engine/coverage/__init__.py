"""What of the rules their cases exercise: outcomes, and both sides of every part of a condition."""
