"""Artifacts: a fitted version as a directory of files, readable without MLflow."""
