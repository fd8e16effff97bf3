"""Checks: what each looks at and what it found, as plain data."""
