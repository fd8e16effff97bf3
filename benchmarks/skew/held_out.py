"""Faults of deliveries of flights that were written last, and that nothing is tuned on.

They are thought of from what goes wrong upstream, without a look at what the checks look for, and
are tried at the very end alone. Which column has to be named for each, whether it has to be blocked
and why is written down before any of them is tried: a value that is wrong must not be published,
while rows that are merely lost, and a timetable that is merely restated, need not be blocked.

What has been tried and looked at moves to a module of its own, as `later`, `once_held_out` and
`lookups` did, and others are written.
"""

from __future__ import annotations

from benchmarks.skew.deliveries import DataFault

HELD_OUT_FAULTS: tuple[DataFault, ...] = ()
"""A third part beside the two halves: tried on days of all months, at the very end alone."""
