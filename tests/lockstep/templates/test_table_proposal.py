"""Tables that a pipeline looks things up in: what is proposed, and that what is written works."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lockstep.columns.files import decode_file
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import ProposalError
from lockstep.tables.rows import TableRows
from lockstep.templates.proposal import Proposal, propose
from lockstep.templates.source import assets_source, columns_source
from lockstep.templates.table import read_table
from lockstep.templates.table_proposal import ProposedTable, propose_table
from tests.lockstep.templates.test_proposal import demand_sound, imported

ROWS = 60
RNG = np.random.default_rng(1)
BEGIN = pd.Timestamp("2020-01-01", tz="UTC")
STATIONS = ("EWR", "JFK", "LGA")
FLIGHTS = pd.DataFrame(
    {
        "flight": [f"F{number}" for number in range(ROWS)],
        "origin": RNG.choice(STATIONS, ROWS),
        "tail": RNG.choice(["N1", "N2", "N3", None], ROWS),
        "scheduled_at": BEGIN + pd.to_timedelta(np.arange(ROWS) * 25, "min"),
        "distance": RNG.integers(100, 3000, ROWS),
        "delay": RNG.normal(5, 20, ROWS).round(1),
    }
)
HOURS = pd.DataFrame(
    [
        {"station": station, "hour": BEGIN + pd.Timedelta(hours=hour), "temp": float(hour % 9)}
        for station in STATIONS
        for hour in range(-2, 26)
    ]
).assign(sky=lambda rows: np.where(rows["temp"] > 4, "clear", "dull"))
AIRCRAFT = pd.DataFrame({"tail": ["N1", "N2", "N4"], "seats": [150, 90, 20], "maker": "BOEING"})
LANDINGS = pd.DataFrame(
    {
        "Tail": ["N1", "N1", "N2", "N2"],
        "landed_at": [BEGIN + pd.Timedelta(hours=hour) for hour in (-9, -9, -8, 2)],
        "late": [3.0, 4.0, -5.0, 60.0],
    }
)


def proposed(tmp_path: Path, name: str, rows: pd.DataFrame) -> tuple[Proposal, ProposedTable]:
    """A pipeline of the flights, and a table."""
    for file, frame in (("flights", FLIGHTS), (name, rows)):
        frame.to_csv(tmp_path / f"{file}.csv", index=False)
    proposal = propose(read_table(tmp_path / "flights.csv"))
    return proposal, propose_table(name, tmp_path / f"{name}.csv", proposal)


def written(tmp_path: Path, proposal: Proposal, table: ProposedTable) -> tuple[Pipeline, Any]:
    """The pipeline as it is written, with the rows of the table; and the rows of its own file."""
    module = imported(tmp_path, columns_source("written", proposal, [table]))
    pipeline: Pipeline = module.PIPELINE
    (schema,) = pipeline.tables.values()
    decoded = decode_file(table.file.path, schema.schema)
    assert decoded.rejected == ()
    rows = TableRows.of(schema, decoded.columns)
    own = decode_file(proposal.table.path, pipeline.joint_schema)
    assert own.rejected == ()
    return pipeline.with_tables({schema.name: rows}), own.columns


@pytest.mark.parametrize(
    ("name", "rows", "column"),
    [
        ("weather", HOURS, "weather_temp"),
        ("plane", AIRCRAFT, "plane_seats"),
        ("landing", LANDINGS, "landing_mean"),
    ],
)
def test_a_written_pipeline_learns_from_what_it_looks_up(
    tmp_path: Path, name: str, rows: pd.DataFrame, column: str
) -> None:
    pipeline, columns = written(tmp_path, *proposed(tmp_path, name, rows))
    assert np.isfinite(pipeline.evaluate(columns, [column])[column]).any()
    assert column in pipeline.graph.inputs("expected_delay")
    assert len(pipeline.unfitted().fit(columns).predict(columns)) == ROWS


@pytest.mark.parametrize(
    ("name", "rows"), [("weather", HOURS), ("plane", AIRCRAFT), ("landing", LANDINGS)]
)
def test_what_is_written_is_formatted_and_sound(
    tmp_path: Path, name: str, rows: pd.DataFrame
) -> None:
    proposal, table = proposed(tmp_path, name, rows)
    assets = assets_source("odd", proposal, "odd.csv", "transforms", [(table, "x.csv")])
    demand_sound(tmp_path, columns_source("odd", proposal, [table]), assets, "E,F,W,N,D1")


def test_hours_are_found_by_the_texts_of_another_column(tmp_path: Path) -> None:
    _, table = proposed(tmp_path, "weather", HOURS)
    assert [(field.name, asked.name) for field, asked in table.keys] == [("station", "origin")]
    assert table.valid is not None
    assert (table.valid.name, table.is_event) == ("hour", False)


def test_a_row_is_known_when_the_next_one_begins(tmp_path: Path) -> None:
    proposal, table = proposed(tmp_path, "weather", HOURS)
    assert table.apart == timedelta(hours=1)
    assert "(Table, known_after=timedelta(hours=1))" in columns_source("odd", proposal, [table])


def test_a_key_that_tells_rows_apart_makes_a_static_table(tmp_path: Path) -> None:
    proposal, table = proposed(tmp_path, "plane", AIRCRAFT)
    assert "class Plane(Table, static=True):" in columns_source("odd", proposal, [table])


def test_rows_that_share_key_and_time_are_events(tmp_path: Path) -> None:
    _, table = proposed(tmp_path, "landing", LANDINGS)
    assert table.is_event
    assert [(field.name, asked.name) for field, asked in table.keys] == [("Tail", "tail")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (HOURS.rename(columns={"station": "x"}).assign(x="LAX"), "none of its columns is one of"),
        (HOURS.drop(columns="hour"), "does not tell its rows apart, and it has no time"),
        (HOURS.assign(until=HOURS["hour"]), "it has 2 columns of times"),
        (AIRCRAFT[["tail"]], "it has no column beside its key"),
    ],
    ids=["nothing in common", "no time", "two times", "a key alone"],
)
def test_what_nothing_tells_is_a_comment(tmp_path: Path, rows: pd.DataFrame, said: str) -> None:
    proposal, table = proposed(tmp_path, "other", rows)
    source = columns_source("odd", proposal, [table])
    assert said in table.lacking
    assert "# Edit: other (other.csv" in source
    assert "class Other" not in source.replace("# ", "").partition("is not declared")[0]
    assert "TableAssets" not in assets_source(
        "odd", proposal, "odd.csv", "transforms", [(table, "")]
    )


@pytest.mark.parametrize("name", ["Two", "row", "origin", "distance", "a-b", "class"])
def test_a_name_that_would_stand_for_two_things_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProposalError, match="is no name for a table"):
        proposed(tmp_path, name, AIRCRAFT)
