"""A small typed client of the served engine."""
