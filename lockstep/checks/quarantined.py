"""What is missing of a batch because its rows were quarantined: one cause, told where it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from lockstep.columns.decode import Rejected
from lockstep.columns.kinds import Columns
from lockstep.columns.plain import counted, cut
from lockstep.columns.schema import Schema

Aside = Callable[[Sequence[str]], str]
"""Tells of columns which of their values are missing since their rows were quarantined."""

_MOST = 0.5
"""Share of the rows of a value that are quarantined from which on they are missing elsewhere."""
_FEWEST = 3
"""Rows of a value that are quarantined at least."""
_MOST_TOLD = 3
_LONGEST = 40
"""Characters of a value that are told."""


def values_aside(
    rows: Sequence[Rejected], kept: Columns, schema: Schema, columns: Sequence[str]
) -> str:
    """Values of which most rows were quarantined, as a sentence; empty if there are none.

    Args:
        rows: The rows of the batch that were quarantined.
        kept: Its other rows.
        schema: What they are declared to hold.
        columns: The columns that a finding names; of texts the values are looked at.
    """
    sources = {field: name for name, field in schema.aliases.items()}
    told = []
    for name in columns:
        if not rows or name not in kept or kept[name].dtype != object:
            continue
        source = sources.get(name, name)
        came = (row.record.get(name, row.record.get(source)) for row in rows)
        values = Counter(str(value) for value in came if value is not None)
        for value, gone in values.most_common(_MOST_TOLD):
            total = gone + int(np.count_nonzero(kept[name] == value))
            if gone >= _FEWEST and gone >= _MOST * total:
                told.append(f"{gone:,} of {counted(total, 'row')} of {name} {cut(value, _LONGEST)}")
    if not told:
        return ""
    return (
        f" In this batch {', '.join(told[:_MOST_TOLD])} were quarantined, which decoding and "
        "input_suite tell: that they are missing here is no other cause."
    )
