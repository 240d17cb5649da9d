"""What the commands that record what is done to a ledger share: they open it for writing, and never make one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import choose_ledger, opened

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger


@contextmanager
def writing(ctx: click.Context, url: str | None, key: Path | None) -> Iterator[Ledger]:
    """Open the ledger of the settings for appending; it has to be there.

    Raises:
        RecordingError: it is not there, is not a ledger, or its key cannot be used.
    """
    with reading(ctx, url, key):
        pass  # opening for writing would make a ledger that is not there
    with opened(choose_ledger(ctx, url, key)) as ledger:
        yield ledger
