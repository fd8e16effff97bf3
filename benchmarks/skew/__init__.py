"""The skew benchmark: faults injected into a healthy trained platform, and a normal year."""
