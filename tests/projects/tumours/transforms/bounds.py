"""Bounds that pathologists agreed on."""

LARGE_AREA = 700.0
