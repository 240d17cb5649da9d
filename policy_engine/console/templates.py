"""Pages from templates: the one place that uses Jinja, with autoescape always on."""

from __future__ import annotations

import jinja2

UNDEFINED = jinja2.StrictUndefined
