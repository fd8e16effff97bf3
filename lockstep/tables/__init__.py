"""Columns that are read from tables, as of a time and of what was known then."""
