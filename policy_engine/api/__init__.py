"""The HTTP API: routes, documents and problems."""
