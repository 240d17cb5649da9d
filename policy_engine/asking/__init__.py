"""Questions to the ledger: what is asked, and the documents that answer; for commands, API and console alike."""
