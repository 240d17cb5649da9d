"""Waivers: asked for, signed, recorded, checked, listed. What they lift is for `lifting` to say.

requesting   a recorded decision -> what a waiver of one of its rules has to say
files        the YAML file that goes from requester to approver
notes        the bytes that are signed, and their signatures
approving    may this key sign this, here and now
acts         what people do with them, on an open ledger: ask, approve, take back
checking     which of the waivers on record count at a decision's time
again        the same for a recorded decision, on the notes that were recorded with it
trail        what the ledger says of the waivers of a recorded decision
on_record    entries in the ledger, and what is read back from them
uses         the decisions that used one, in its time or not
listing      the register as it is listed, and the one that an id names
register     every waiver with what became of it
"""
