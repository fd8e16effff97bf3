"""The page for all pipelines: a program of its own, beside Dagster and MLflow."""
