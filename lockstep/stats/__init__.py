"""Statistics of batches: states that merge, what is read from them, and limits of it."""
