"""Measures that several pipelines share, outside of `transforms`."""
