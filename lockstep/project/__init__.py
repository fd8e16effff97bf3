"""A project: its folder and home, its pipelines, and what they declare."""
