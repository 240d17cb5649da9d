"""Whether two names that people give are of one person, in whatever spelling.

A name is asserted, so a difference proves nothing; but a name that was only written otherwise must not pass for
somebody else's where two people are asked for.
"""

from __future__ import annotations

import re
import unicodedata

_ADDRESS = re.compile(r"<([^<>]+@[^<>]+)>\s*\Z")
# Letters of other scripts that look like Latin ones (Unicode TR39, the lower-case single letters).
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁɡһӏԛԝькмнтвαεορυχικνωτγη",
    "aeopcyxijsdghlqwbkmhtbaeopuxiknwtyn",
)


def folded(identity: str) -> str:
    """Return `identity` without what does not make another person.

    That is: the name before `<address>`, case, compatibility forms, accents, invisible characters, white space,
    look-alike letters of other scripts, and the `+tag` of an address.
    """
    text = unicodedata.normalize("NFKC", identity).strip()
    if found := _ADDRESS.search(text):
        text = found[1]
    text = unicodedata.normalize("NFKD", text.casefold())
    # marks, format characters (zero width, direction) and white space are not what tells people apart
    text = "".join(char for char in text if unicodedata.category(char)[0] not in "MZC")
    text = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    local, at, domain = text.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}" if at else text


def same_person(one: str, other: str) -> bool:
    """Whether two names are of one person as far as names tell: a bare name is that of the address that begins so."""
    left, right = folded(one), folded(other)
    if left == right:
        return True
    if ("@" in left) == ("@" in right):
        return False
    return left.partition("@")[0] == right.partition("@")[0]
