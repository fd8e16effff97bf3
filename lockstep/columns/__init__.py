"""Columns: records, the graph of columns, decoding, fitting and pipelines."""
