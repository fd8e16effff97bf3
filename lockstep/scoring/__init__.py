"""Scoring: one partition from raw rows to published ones."""
