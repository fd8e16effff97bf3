"""What `lockstep new` writes: a project that runs at once, and pipelines from tables."""
