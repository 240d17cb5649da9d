"""Evidence that somebody vouches for: by a signature (grade approved), or by a ledger's receipt (grade recorded).

approval     what an approver signs, and whether a signature counts
receipts     receipts of pinned logs, and bare indexes of the decision's own ledger
entries      the entries that say something of a piece of evidence
attested     a probe's attestation: of which hardware it speaks, until when, and what it says of the claim
evaluation   a report of two models' answers: its form, and the verdicts that follow from its figures
evaluated    whether such a report shows that the model proposed is as good as the one replaced
revoked      entries that are evidence no more
again        recorded proofs, verified again by a replay
voucher      both together, as `loading.evidence` asks for it
making       may this key approve this, here and now
"""
