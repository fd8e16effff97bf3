"""The registry: versions of fitted pipelines in MLflow."""
