"""Rows of tables are withdrawn by a command, and are gone from what is read next."""

from datetime import UTC, datetime
from pathlib import Path

from lockstep.columns.decode import decode
from lockstep.project.pipelines import pipelines
from lockstep.store.ledgers import ledger_of
from tests.fixtures.commands import Answer, Lockstep
from tests.fixtures.depots import DEPOTS

SOLD = ["2020-03-01T11:00:00+00:00", "9999-12-31T00:00:00+00:00"]


def test_a_row_is_withdrawn_by_key_and_time(home_path: Path, lockstep: Lockstep) -> None:
    lockstep.go_to(DEPOTS.root, home_path)
    declared = pipelines(DEPOTS).get("depots")
    (table,) = (table for table in declared.tables if table.name == "sale")
    ledger = ledger_of(DEPOTS.home.data / "depots", table.schema)
    rows = [{"depot": "north", "article": 1, "sold_at": at, "sold": 1.0} for at in SOLD]
    ledger.add(decode(rows, table.schema.schema).columns, datetime.now(UTC))

    def withdraw(*words: str) -> Answer:
        return lockstep("withdraw", "depots", "sale", *words, "--reason", "never sold")

    several, missing = withdraw("north", "1"), withdraw("south", "1")
    assert "has rows of 2 times; say of which by --at" in several.err
    assert "no row of sale south 1 that counts" in missing.err
    done = withdraw("north", "1", "--at", "9999-12-31")
    assert done.status == 0, done
    assert ledger.newest(datetime.max.replace(tzinfo=UTC)) == datetime.fromisoformat(SOLD[0])
    again = withdraw("north", "1", "--at", "9999-12-31")
    assert "no row of sale north 1 at 9999-12-31" in again.err
