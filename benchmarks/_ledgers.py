"""Kills of deliveries of a table, and older copies of its ledger that are put in its place.

Whatever is killed, a reader finds the rows of before or all that were delivered. An older copy of
the ledger is refused by whatever reads it, until the newer one is back or its loss is accepted;
then the next delivery completes it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from benchmarks._rounds import BenchmarkError
from lockstep import EventTime, FunctionSource, Key, Table, TableAssets
from lockstep.checks.table_deliveries import deliver
from lockstep.errors import DamagedError
from lockstep.project.declaration import PipelineAssets
from lockstep.store.ledgers import Ledger, ledger_of
from lockstep.store.parquet import Store
from tests.fixtures.writes import carried_out, demanded

_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
_GROWS = 40
"""Rows that come with each delivery."""
_OF_ACCEPTING = 6
"""Writes of accepting a loss, before one of which it is killed."""

Row = tuple[int, datetime, float]


class Price(Table, known_after=timedelta(hours=1)):
    """What an article costs from an hour on."""

    article: Key[int]
    at: EventTime
    amount: float


@dataclass(eq=False)
class DeliveredTable:
    """A table whose source delivers all its rows, and some more each time.

    Attributes:
        declared: A pipeline, in whose place deliveries are recorded.
        store: Where its rows are kept.
        chance: What is drawn from.
        upstream: The rows that the source holds now.
        ever: All rows that were delivered, also those whose place others have taken.
    """

    declared: PipelineAssets
    store: Store
    chance: random.Random
    upstream: dict[tuple[int, datetime], float] = field(default_factory=dict)
    ever: set[Row] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.table = TableAssets(Price, FunctionSource(self._read))
        self.writes = self.deliver()

    @property
    def ledger(self) -> Ledger:
        """Its ledger."""
        return ledger_of(self.store.root, self.table.schema)

    def deliver(self, last: int | None = None) -> int | None:
        """Deliver some more rows; the number of writes, or None where it was killed before one."""
        self._grow()
        return self.repeat(last)

    def repeat(self, last: int | None = None) -> int | None:
        """Deliver what the source holds; see `deliver`."""
        ended = carried_out(self._deliver, self.store.root, last)
        if ended.was_killed:
            return None
        demanded(ended)
        return len(ended.made)

    def held(self) -> set[Row]:
        """The rows that a reader finds."""
        rows: list[Row] = demanded(carried_out(self._held)).value
        if len(rows) != len(set(rows)):
            raise BenchmarkError("A row is in the ledger twice.")
        return set(rows)

    def refuses(self) -> bool:
        """Whether whatever reads the ledger says that rows are lost."""
        return bool(demanded(carried_out(self._refuses)).value)

    def kill_delivery(self) -> tuple[str, str, set[Row]] | None:
        """Kill a delivery at a write, and deliver again.

        Returns:
            Which write, what was read after it that is nothing whole, and the rows in the end; None
            where nothing was killed.
        """
        before, last = set(self.ever), self.chance.randint(1, self.writes or 1)
        if self.deliver(last) is not None:
            return None
        seen = self.held()
        partial_read = "" if seen in (before, self.ever) else f"{len(seen)} rows are read"
        self.repeat()
        return f"at write {last}", partial_read, self.held()

    def restore_older(self) -> tuple[str, str, set[Row]] | None:
        """Put an older copy in the place of the ledger, and kill who finds it; see above."""
        folder, beside = self.ledger.folder, self.store.root.with_name(uuid4().hex)
        older = set(self.ever)
        shutil.copytree(folder, beside / "older")
        self.deliver()
        folder.rename(beside / "newer")
        if self.chance.random() < 0.8:
            (beside / "older").rename(folder)
        else:
            older = set()
        is_told = self.refuses()
        if self.chance.random() < 0.5:
            last = self.chance.randint(1, _OF_ACCEPTING)
            ended = carried_out(self._accept, self.store.root, last)
            if self.refuses():
                demanded(carried_out(self._accept))
            self.ever = older | self._delivered()  # what was restated between is lost
            what = f"as it accepted a loss, at write {last}"
        else:
            last = self.chance.randint(1, self.writes or 1)
            ended = carried_out(partial(self._deliver, refused=True), self.store.root, last)
            shutil.rmtree(folder, ignore_errors=True)
            (beside / "newer").rename(folder)
            what = f"as it was refused, at write {last}"
        if not ended.was_killed:
            demanded(ended)
        self.repeat()
        shutil.rmtree(beside)
        if not ended.was_killed:
            return None
        return what, "" if is_told else "an older copy is read", self.held()

    def _grow(self) -> None:
        """Have the source hold new rows, and another value in some of the old ones."""
        number = len(self.upstream)
        for row in range(number, number + _GROWS):
            self.upstream[row % 7, _BEGIN + timedelta(hours=row)] = float(row)
        for changed in self.chance.sample(sorted(self.upstream), 3):
            self.upstream[changed] += 0.5
        self.ever |= self._delivered()

    def _delivered(self) -> set[Row]:
        return {(*row, amount) for row, amount in self.upstream.items()}

    def _read(self) -> list[dict[str, Any]]:
        return [
            {"article": article, "at": at, "amount": amount}
            for (article, at), amount in self.upstream.items()
        ]

    def _deliver(self, *, refused: bool = False) -> None:
        found = deliver(self.declared, self.table, self.store, uuid4().hex)
        if bool(found.blocked_by) != refused:
            raise BenchmarkError(f"The delivery ended with {found.blocked_by}.")

    def _held(self) -> list[Row]:
        columns = self.ledger.rows().columns
        cells = [columns[name].tolist() for name in ("article", "at", "amount")]
        return [
            (article, at.replace(tzinfo=UTC), amount)
            for article, at, amount in zip(*cells, strict=True)
        ]

    def _refuses(self) -> bool:
        readers: list[Callable[[], object]] = [self.ledger.rely, self.ledger.rows]
        for read in readers:
            try:
                read()
            except DamagedError:
                continue
            return False
        return True

    def _accept(self) -> None:
        self.ledger.accept_loss("operator", "an older copy counts")
