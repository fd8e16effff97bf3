"""The rows of a table at many versions, for which its ledger is read once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.errors import NotStoredError
from lockstep.serving.versions.served_tables import ServedTable
from lockstep.store.ledger_parts import PartFiles
from lockstep.store.ledgers import Ledger, ledger_of
from lockstep.store.pinned_tables import TableHistory
from tests.fixtures.plain_ledger import Stock, columns_of

BEGIN = datetime(2020, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

steps = st.lists(
    st.tuples(
        st.sampled_from(["post", "deliver"]),
        st.dictionaries(
            st.tuples(st.sampled_from(["north", "south"]), st.integers(0, 3)),
            st.sampled_from([None, -0.0, 1.5, 2.0]),
            max_size=3,
        ),
    ),
    min_size=1,
    max_size=9,
)


def carried_out(ledger: Ledger, taken: list[Any]) -> list[str]:
    """Add rows, and tell the versions after each step."""
    ledger.add(columns_of(ledger.schema, []), datetime.now(UTC))
    versions, served = [ledger.version], ServedTable(ledger)
    for how, cells in taken:
        rows: list[Any] = [
            (depot, 1, BEGIN + hour * HOUR, pieces) for (depot, hour), pieces in cells.items()
        ]
        columns = columns_of(ledger.schema, rows)
        if how == "post":
            served.post(columns, 10.0)
        else:
            ledger.add(columns, datetime.now(UTC))
        versions.append(ledger.version)
    return versions


@pytest.mark.parametrize("examples", [8, pytest.param(150, marks=pytest.mark.long)])
def test_the_rows_at_each_version_are_those_of_the_ledger(
    monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    monkeypatch.setattr("lockstep.tables.layered._LEAST_TOP", 3)
    monkeypatch.setattr("lockstep.tables.layered._LEAST_ADDED", 2)

    @settings(max_examples=examples, deadline=None)
    @given(taken=steps, data=st.data())
    def compare(taken: list[Any], data: st.DataObject) -> None:
        with TemporaryDirectory() as folder:
            ledger = ledger_of(Path(folder), Stock.declaration())
            versions = carried_out(ledger, taken)
            wanted = data.draw(st.lists(st.sampled_from(versions), min_size=1, max_size=9))
            history = TableHistory(ledger, {*wanted})
            for version in wanted:
                rows, stored = history.at(version), ledger.rows(version)
                merged = rows.merged()
                assert rows.version == version
                assert merged.digests.tolist() == stored.digests.tolist()
                assert merged.known.tolist() == stored.known.tolist()

    compare()


def test_each_part_is_read_once_however_many_versions_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_of(tmp_path, Stock.declaration())
    taken = [("post" if n % 4 else "deliver", {("north", n): float(n)}) for n in range(12)]
    versions = carried_out(ledger, taken)
    read: list[str] = []
    opened = PartFiles._opened

    def counted(self: PartFiles, part: Any) -> Any:
        read.append(part.file)
        return opened(self, part)

    monkeypatch.setattr(PartFiles, "_opened", counted)
    history = TableHistory(ledger, versions)
    assert [len(history.at(version)) for version in versions] == [0, *range(1, 13)]
    assert len(read) == len({*read}) > 3


def test_a_version_that_the_ledger_never_had_is_told(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, Stock.declaration())
    versions = carried_out(ledger, [("post", {("north", 1): 1.0})])
    history = TableHistory(ledger, [*versions, "lost"])
    assert len(history.at(versions[-1])) == 1
    with pytest.raises(NotStoredError, match="has no version lost"):
        history.at("lost")
