"""Evidence that somebody vouches for: by a signature (grade approved), or by a ledger's receipt (grade recorded).

approval     what an approver signs, and whether a signature counts
receipts     receipts of pinned logs, and bare indexes of the decision's own ledger
entries      the entries that say something of a piece of evidence
voucher      both together, as `loading.evidence` asks for it
making       may this key approve this, here and now
"""
