"""Anchors: where checkpoints go that the ledger's administrator cannot take back. One module for each kind of place."""
