"""The client's connection: the one place that uses httpx."""

from __future__ import annotations

import httpx

TIMEOUT = httpx.Timeout(35.0)
