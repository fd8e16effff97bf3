"""What Lockstep costs, measured beside the cost of what it stands on.

`core` and `run` keep their figures in `results/` as pyperf writes them, so that
`python -m pyperf compare_to benchmarks/results/core.json other.json` sets them beside others.
`serving` loads our server and others, and keeps its figures there as JSON and as tables.
`compare` times two checkouts by turns, which tells more than figures of different days.
"""
