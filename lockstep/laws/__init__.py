"""Laws of a pipeline's raw rows: what no training day broke, learnt from the training days."""
