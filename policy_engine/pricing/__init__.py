"""Prices of today from the installed data of others, as entries of a layer that keeps their history."""
