"""Attestations of decisions: in-toto statements for whoever deploys, and what they are held to."""
