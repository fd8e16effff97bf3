"""ConstraintSet: what training data keeps, and what a batch breaks of it."""
