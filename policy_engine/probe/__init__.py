"""Measures a host's devices with torch, and judges hardware claims by what was measured.

report       what a probe found, as plain data
verdicts     claims against it: verified, contradicted, unverifiable

Neither imports torch: `evaluate` reads attestations by them. Whatever measures is imported by `policy probe` alone.
"""
