"""Statistics of batches: states that merge, and limits of the statistics read from them."""
