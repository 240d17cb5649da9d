"""Measures a host's devices with torch, and judges hardware claims by what was measured.

report       what a probe found, as plain data
verdicts     claims against it: verified, contradicted, unverifiable

Neither imports torch: `evaluate` reads attestations by them. Whatever measures is imported by `policy probe` alone:

run          one run, from the choice of devices to the report
budget       its time, spread over the stages
device       the one door to torch: which devices there are, and one of them
threads      how many threads a CPU is measured with
touch        memory by touch
work         copies, products and the decode step (layers) whose rates are measured
freivalds    whether a product is right
sampling     three interleaved rounds
sustained    a product that is kept up on all devices
between      copies from the host, and between devices
nvml         the one door to NVML
disturbed    signs that a device was not this process's alone
identity     which host this is; interposers: what may answer in a device's place
limits       how much memory and how many processors this process may use
asking       what a run is told on the command line
"""
