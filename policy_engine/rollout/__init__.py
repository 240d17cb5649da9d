"""A rollout by stages, and what is observed of each: advance, hold or roll back."""
