"""What holds for every workload, proved with Z3 (extra `prove`), or refuted with a workload that `evaluate` confirms.

Nothing here imports Z3 before something is proved.
"""
