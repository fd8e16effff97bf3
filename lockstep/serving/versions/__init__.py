"""Versions: which of them answers a request, and how it is computed."""
