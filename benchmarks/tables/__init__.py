"""Tables that benchmarks are run on: a pipeline each, and what its columns are."""
