"""One prepared draft, recorded many times: each entry with commitments of its own, and all else written once."""

from __future__ import annotations

from policy_audit.canonical import dump_checked
from policy_audit.commitment import disclose_all
from policy_audit.entry import Prepared


class Renewable:
    """A prepared draft that may be recorded any number of times.

    INVARIANT: `renewed` is what `prepare` makes of the same draft, but for the salts, which are never used twice: who
    opens one commitment opens no other, and two entries do not tell that they name one person.
    """

    def __init__(self, prepared: Prepared) -> None:
        if prepared.once is not None:
            raise ValueError("what is recorded once is not renewed")
        self._prepared = prepared
        self._names = [(each.name, each.value) for each in prepared.disclosures]
        # nobody knew the digests before they were made, with random salts: nothing else there is written like them
        written = dump_checked({each.name: each.digest for each in prepared.disclosures})
        self._before, self._after = prepared.before.split(written) if self._names else (b"", b"")

    def renewed(self) -> Prepared:
        """Return the draft as prepared anew."""
        if not self._names:
            return self._prepared
        disclosures = disclose_all(self._names)
        written = dump_checked({each.name: each.digest for each in disclosures})
        return self._prepared._replace(before=b"".join((self._before, written, self._after)), disclosures=disclosures)
