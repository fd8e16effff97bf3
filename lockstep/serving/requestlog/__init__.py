"""The request log: what was asked and answered, in segments that can be replayed."""
