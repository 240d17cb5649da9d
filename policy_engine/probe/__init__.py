"""Measures a host's devices with torch, and judges hardware claims by what was measured.

report       what a probe found, as plain data
verdict      what is said of one claim, and of all of them
verdicts     claims against the report: verified, contradicted, unverifiable
serving      a claimed rate of answers against the roofline that was measured
overlay      what was measured over what arithmetic says of the same claims
attestation  a report as an entry of a ledger holds it, and back

None of them imports torch: `evaluate` reads attestations by them. What measures is imported by `policy probe` alone:

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
