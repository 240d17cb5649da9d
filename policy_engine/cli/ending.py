"""Ended from outside: SIGTERM as an interrupt, for commands that tell what they had recorded by then."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Ending:
    """Interrupts the program at a signal, or holds that until what must not be torn apart is done."""

    def __init__(self) -> None:
        self._holds = self._held_back = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold a signal back meanwhile.

        Raises:
            KeyboardInterrupt: there was one; raised at the end, and not over another error.
        """
        self._holds = True
        try:
            yield
        finally:
            self._holds = False
        if self._held_back:
            raise KeyboardInterrupt

    def interrupt(self, *_: object) -> None:
        """Handle a signal."""
        if not self._holds:
            raise KeyboardInterrupt
        self._held_back = True


@contextmanager
def terminated_as_interrupted() -> Iterator[Ending]:
    """Have SIGTERM raise KeyboardInterrupt meanwhile; what is given can hold it, and SIGINT, back.

    A thread, which takes no signals, changes nothing.
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores it
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, ending.interrupt) for number in numbers}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
