"""History: how long ago the row before of the same thing was, and which values it shares."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from lockstep.constraints.entities import Entities
from lockstep.constraints.features import Feature, Measured
from lockstep.constraints.quantities import Quantity, title_of
from lockstep.constraints.quantity_values import evaluate
from lockstep.constraints.rows_before import not_known, previous_code
from lockstep.constraints.view import View

FAMILY = "history"


class History(msgspec.Struct, frozen=True, tag=FAMILY):
    """The comparisons with the row before."""

    entities: Entities
    texts: tuple[str, ...]
    numbers: tuple[str, ...]

    def evaluate(self, view: View) -> Iterator[Measured]:
        """The features of each row."""
        event = view.layout.event_time
        for entity in self.entities.full:
            thing = title_of(entity)
            for name in (*self.texts, *self.numbers):
                if name not in entity:
                    own = view.short_code(name)
                    before = previous_code(view, entity, name)
                    same = np.where((own != 0) & (before != 0), own == before, np.nan)
                    says = f"have the {name} of the previous {thing}"
                    lacks = not_known(view, Quantity("previous", (name,), entity))
                    yield Measured(Feature(FAMILY, "as before", (name,), says), same, lacks)
            if event is not None:
                columns = (event, *(name for name in entity if not name.startswith("@")))
                gaps = [Quantity("elapsed", (), entity)]
                if entity in self.entities.windowed:
                    gaps.append(Quantity("today", (), entity))
                for gap in gaps:
                    values = np.log1p(np.maximum(evaluate(view, gap), 0.0))
                    feature = Feature(FAMILY, "gap", columns, gap.title)
                    yield Measured(feature, values, not_known(view, gap))


def discover(view: View, entities: Entities) -> History:
    """Choose the columns of training rows that are compared with the row before."""
    layout = view.layout
    texts = tuple(name for name in (*layout.texts, *layout.dates) if name not in layout.dated)
    numbers = tuple(name for name in layout.numbers if name not in layout.dated)
    return History(entities, texts, numbers)
