"""The console: server-rendered pages for the compliance officer."""
