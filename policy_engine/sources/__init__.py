"""Which files are judged: what a command line names, what of it holds workloads, and what of that has changed."""
