"""What is missing of a batch because its rows were quarantined: one cause, told where it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockstep.columns.decode import Rejected
from lockstep.columns.kinds import Columns
from lockstep.columns.plain import counted, cut
from lockstep.columns.schema import Schema

_MOST = 0.5
"""Share of the rows of a value that are quarantined from which on they are missing elsewhere."""
_FEWEST = 3
"""Rows of a value that are quarantined at least."""
_MOST_TOLD = 3
_LONGEST = 40
"""Characters of a value that are told."""


@dataclass(frozen=True, eq=False)
class QuarantinedValues:
    """The rows of a batch that were quarantined, for what is missing since they are.

    Attributes:
        rows: The rows that were quarantined.
        kept: The other ones.
        schema: What they are declared to hold.
    """

    rows: Sequence[Rejected]
    kept: Columns
    schema: Schema

    def told(self, columns: Sequence[str]) -> str:
        """Values of which most rows were quarantined, as a sentence; empty if there are none.

        Args:
            columns: The columns that a finding names; of texts the values are looked at.
        """
        sources = {field: name for name, field in self.schema.aliases.items()}
        told = []
        for name in columns:
            if not self.rows or name not in self.kept or self.kept[name].dtype != object:
                continue
            source = sources.get(name, name)
            came = (row.record.get(name, row.record.get(source)) for row in self.rows)
            values = Counter(str(value) for value in came if value is not None)
            for value, gone in values.most_common(_MOST_TOLD):
                total = gone + int(np.count_nonzero(self.kept[name] == value))
                if gone >= _FEWEST and gone >= _MOST * total:
                    shown = cut(value, _LONGEST)
                    told.append(f"{gone:,} of {counted(total, 'row')} of {name} {shown}")
        if not told:
            return ""
        return (
            f" In this batch {', '.join(told[:_MOST_TOLD])} were quarantined, which decoding and "
            "input_suite tell: that they are missing here is no other cause."
        )
