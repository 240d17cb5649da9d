"""Read `origins` of an approvers.yaml: the logs whose receipts count, by their verifier keys."""

from __future__ import annotations

from collections.abc import Sequence

from policy_engine.loading.reader import Reader
from policy_engine.model.approvers import ApproverKey, PinnedOrigin

ORIGIN_KEYS = ("vkey", "valid_from", "valid_until", "revoked", "disabled")
_HINT = "the ledger prints its verifier key when it is made, and `policy evidence record` prints it again"


def read_origins(
    reader: Reader, before: Sequence[PinnedOrigin], closed: str | None, not_for: tuple[str, ...]
) -> tuple[PinnedOrigin, ...]:
    """Return the pinned keys with those of one file: it adds keys, replaces an equal one, or takes one away.

    `closed` says why nothing may be added; `not_for` are the locked rules below.
    """
    found = {each.key.text: each for each in before}
    named: set[str] = set()
    for item in reader.items("origins"):
        item.only(ORIGIN_KEYS)
        text = item.text("vkey", required=True)
        since, until, revoked = (item.day(key) for key in ("valid_from", "valid_until", "revoked"))
        if text is None or not is_log_key(item, text, _HINT):
            continue
        if text in named:
            item.problem("same-origin", "this key stands here twice", "vkey")
        named.add(text)
        if item.flag("disabled"):
            if found.pop(text, None) is None:
                item.problem("unknown-origin", "there is no such origin to disable", "vkey")
        elif closed is not None:
            message = f"{closed}, so no origin may be added or replaced here"
            item.problem("locked", message, "vkey", help_="a later layer may take origins away with `disabled: true`")
        else:
            found[text] = PinnedOrigin(ApproverKey(text, since, until, revoked), not_for)
    return tuple(found.values())


def is_log_key(item: Reader, text: str, hint: str) -> bool:
    """Tell whether `vkey` is an Ed25519 verifier key; a problem is reported where not."""
    from policy_audit.errors import VerificationError
    from policy_audit.keys import ED25519, parse_verifier_key

    try:
        is_log = parse_verifier_key(text).kind == ED25519
    except VerificationError as error:
        item.problem("bad-key", f"not a verifier key: {error.message}", "vkey", help_=hint)
        return False
    if not is_log:
        item.problem("bad-key", "this is the key of a witness, which speaks for no log", "vkey", help_=hint)
    return is_log
