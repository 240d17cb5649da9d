"""Who is let in how often: rates of those who are known, and of addresses from which nobody known comes."""

from __future__ import annotations

import time

from policy_engine.access.principal import Principal, UnauthenticatedError
from policy_engine.access.rates import Rates, address_key
from policy_engine.errors import Problem
from policy_engine.service.committing import Committer
from policy_engine.service.errors import BusyError
from policy_engine.service.log_ins import LogIns
from policy_engine.service.settings import Limits

#: So many requests of an address may fail at once.
_BURST_OF_FAILURES = 60
#: So many times as many may come without any token.
_STRANGERS = 50


class Admission:
    """Counts requests of one worker; used in one event loop."""

    def __init__(self, limits: Limits, committer: Committer) -> None:
        self.log_ins = LogIns(committer)
        self._known = Rates(limits.rate, 2 * limits.rate)
        self._strangers = Rates(_STRANGERS * limits.failures_rate, 10 * _STRANGERS)
        self._unknown = Rates(limits.failures_rate, _BURST_OF_FAILURES)

    def check_stranger(self, address: str) -> None:
        """Count a request without any token: it costs little, and is no log-in.

        Raises:
            BusyError: too many of them came from this address.
        """
        if seconds := self._strangers.take(address_key(address), time.monotonic()):
            raise _too_often(seconds)

    def check_unknown(self, error: UnauthenticatedError, address: str) -> None:
        """Refuse an address that failed too often, before the ledger is asked again whether there is a new token.

        Raises:
            BusyError: it did.
        """
        if seconds := self._unknown.wait(address_key(address), time.monotonic()):
            self.log_ins.failed(error)
            raise _too_often(seconds)

    def failed(self, error: UnauthenticatedError, address: str) -> None:
        """Count a request of somebody who is not known.

        Raises:
            BusyError: too many of this address failed.
        """
        self.log_ins.failed(error)
        if seconds := self._unknown.take(address_key(address), time.monotonic()):
            raise _too_often(seconds)

    def admit(self, principal: Principal) -> None:
        """Count a request of somebody who is known.

        Raises:
            BusyError: they ask too often.
        """
        key = f"{principal.known_by} {principal.token or principal.subject}"
        if seconds := self._known.take(key, time.monotonic()):
            raise _too_often(seconds)


def _too_often(seconds: int) -> BusyError:
    hint = "wait as `Retry-After` says"
    return BusyError(Problem("rate", "too many requests", help=hint), seconds)
