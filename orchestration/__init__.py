"""Orchestration: Dagster's definitions, and the command line that runs them."""
