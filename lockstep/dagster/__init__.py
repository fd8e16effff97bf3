"""Dagster: assets, checks, jobs, schedules and sensors of a project's pipelines."""
