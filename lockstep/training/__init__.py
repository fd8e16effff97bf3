"""Training: from a history to an evaluated candidate, and the gate."""
