"""HTTP: the process that listens, its connections, and what answers at which path."""
