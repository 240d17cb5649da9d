"""The served engine's processes: the application put together, its workers and their supervisor."""
