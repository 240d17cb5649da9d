"""Recorded workloads, decided again where their decisions do not stand any more: which, why, and what comes of it.

1. the latest decision on each workload                       (`standing`)
2. why each is due                                            (`due`, with `policies`, `waived`, and `today`: evidence)
3. the workload as recorded, with its own persons, decided    (`again`, `persons`)
4. recorded, a part in each commit, and only then told        (`running`)
"""
