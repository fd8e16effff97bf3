"""Faults of deliveries of flights that were written last, and that nothing is tuned on.

They are tried at the very end alone. What has been tried and looked at moves to a module of its
own, as `later` and `once_held_out` did, and others are written.
"""

from __future__ import annotations

from benchmarks.skew.deliveries import DataFault

HELD_OUT_FAULTS: tuple[DataFault, ...] = ()
"""A third part beside the two halves: tried on days of all months, at the very end alone."""
