"""Baselines: known findings that a gate accepts until a day, in a file that people review.

entry      one accepted finding: what it is about, what decided it, why and until when it is accepted
reading    the file, held to what it says itself
writing    the file, in a stable order, an existing one brought up to date
applying   which findings of a run are accepted, and what becomes of the other entries

INVARIANT: a baseline changes no decision and no record of one. It says which findings a gate's status leaves out.
"""
