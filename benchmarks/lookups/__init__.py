"""Look-ups and windows beside what others have for them; `python -m benchmarks.lookups`."""
