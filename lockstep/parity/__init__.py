"""Parity: proving that training and serving compute the same columns."""
