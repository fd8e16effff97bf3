"""Pipelines from tables: what is proposed for a file, and that what is written fits the file."""

import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from lockstep.columns.csv_format import CsvFormat
from lockstep.columns.files import decode_file, read_csv
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import InputError, ProposalError, UnreadableError, WritingError
from lockstep.project.project import Project
from lockstep.templates.project_writing import write_pipeline, write_pipeline_from
from lockstep.templates.proposal import Proposal, field_names, propose
from lockstep.templates.source import assets_source, columns_source
from lockstep.templates.table import TableFile, read_table

ROWS = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=ROWS).round(3)
FRAME = pd.DataFrame(
    {
        "": range(ROWS),
        "Größe (cm)": X * 10 + 170,
        "class": RNG.integers(1, 4, ROWS),
        "2nd visit": RNG.choice(["yes", "no"], ROWS),
        "sold at": pd.date_range("2020-01-01", periods=ROWS, freq="7h").strftime("%Y-%m-%d %H:%M"),
        "note": [f"text {number}" for number in range(ROWS)],
        "age": np.where(np.arange(ROWS) % 5 == 0, "NA", "44"),
        "member": X > 0.3,
        "zip": RNG.choice(["01234", "10115"], ROWS),
        "np": X,
        "empty": None,
    }
)
KINDS = np.array(["a b", "c", "d-e"])[np.arange(ROWS) % 3]
LABELS = {
    "texts of two kinds": np.where(X > 0, "Yes", "No"),
    "texts, some missing": np.where(np.arange(ROWS) % 7 == 0, None, np.where(X > 0, "Yes", "No")),
    "true and false": X > 0,
    "true and false, some missing": np.where(np.arange(ROWS) % 7 == 0, None, X > 0),
    "0 and 1": (X > 0).astype(int),
    "0 and 1, some missing": np.where(np.arange(ROWS) % 7 == 0, np.nan, X > 0),
    "classes": KINDS,
    "classes, some missing": np.where(np.arange(ROWS) % 7 == 0, None, KINDS),
    "classes, one of them rare": np.where(np.arange(ROWS) == 7, "rare", KINDS),
    "classes of integers": np.arange(ROWS) % 4,
    "classes of integers, some missing": np.where(
        np.arange(ROWS) % 7 == 0, np.nan, np.arange(ROWS) % 4
    ),
    "a number": X * 3 + 1,
    "a number, some missing": np.where(np.arange(ROWS) % 7 == 0, np.nan, X * 3 + 1),
}


def table(tmp_path: Path, frame: pd.DataFrame, name: str = "table.csv") -> TableFile:
    path = tmp_path / name
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return read_table(path)


def imported(tmp_path: Path, source: str) -> ModuleType:
    """A module of a pipeline's columns, as it was written."""
    path = tmp_path / "written.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("written", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["written"] = module
    spec.loader.exec_module(module)
    return module


def written(tmp_path: Path, proposal: Proposal) -> tuple[Pipeline, Columns]:
    """A pipeline as it was written, and the rows of its table, all of which it takes."""
    pipeline = imported(tmp_path, columns_source("written", proposal)).PIPELINE
    decoded = decode_file(proposal.table.path, pipeline.joint_schema)
    assert decoded.rejected == ()
    return pipeline, decoded.columns


# What is written


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
@pytest.mark.parametrize("label", LABELS)
def test_a_written_pipeline_learns_its_table_and_predicts_it(
    tmp_path: Path, label: str, kind: str
) -> None:
    frame = FRAME.assign(**{"What is it?": LABELS[label]})
    proposal = propose(table(tmp_path, frame, f"table{kind}"))
    pipeline, columns = written(tmp_path, proposal)
    predicted = pipeline.fit(columns).predict(columns)
    assert len(predicted) == ROWS
    assert not predicted.iloc[:, 1:].isna().any(axis=None)


def demand_sound(folder: Path, columns: str, assets: str, rules: str) -> None:
    """Demand that both files of a pipeline are formatted, and keep some of ruff's rules."""
    for name, source in (("transforms", columns), ("assets", assets)):
        (folder / name).mkdir()
        (folder / name / "odd.py").write_text(source)
    for command in (["format", "--check", "--diff"], ["check", f"--select={rules}"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length=100", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("label", LABELS)
def test_what_is_written_is_formatted_and_sound(tmp_path: Path, label: str) -> None:
    proposal = propose(table(tmp_path, FRAME.assign(what=LABELS[label])))
    assets = assets_source("odd", proposal, "data/odd.csv", "transforms")
    demand_sound(tmp_path, columns_source("odd", proposal), assets, "E,F,W,D1")


@pytest.mark.parametrize("name", ["sensor_{0:03}", "of_{0}_{1}"], ids=["numbered", "others"])
def test_many_columns_of_a_type_are_declared_at_once(tmp_path: Path, name: str) -> None:
    names = [name.format(at, "abcd"[at % 4]) for at in range(200)]
    numbers = pd.DataFrame(RNG.normal(size=(ROWS, 200)), columns=names)
    some = numbers.mask(numbers > 2).add_prefix("some_")
    frame = pd.concat([FRAME[["note", "age"]], numbers, some], axis=1).assign(what=X)
    proposal = propose(table(tmp_path, frame))
    source = columns_source("written", proposal)
    demand_sound(tmp_path, source, assets_source("written", proposal, "t.csv", "written"), "E,F")
    assert source.count("\n") < 150
    pipeline, columns = written(tmp_path, proposal)
    assert {*names, *some} <= {*pipeline.record_schema.names}
    assert {*names, *some, "age"} == {*pipeline.graph.node("expected_what").inputs}
    assert np.array_equal(columns[names[7]], numbers[names[7]].to_numpy())


def test_predictions_of_texts_are_the_texts_of_the_table(tmp_path: Path) -> None:
    proposal = propose(table(tmp_path, FRAME.assign(what=LABELS["texts of two kinds"])))
    pipeline, columns = written(tmp_path, proposal)
    predicted = pipeline.fit(columns).predict(columns)
    assert set(predicted["predicted_what"]) == {"Yes", "No"}
    assert ((predicted["probability"] >= 0.5) == (predicted["predicted_what"] == "Yes")).all()


def test_months_and_weekdays_are_those_of_the_calendar(tmp_path: Path) -> None:
    frame = FRAME.assign(what=X)
    pipeline, columns = written(tmp_path, propose(table(tmp_path, frame)))
    found = pipeline.evaluate(columns, ("sold_at_month", "sold_at_weekday"))
    times = pd.to_datetime(frame["sold at"])
    assert found["sold_at_month"].tolist() == times.dt.month.tolist()
    assert found["sold_at_weekday"].tolist() == times.dt.day_of_week.tolist()


# What is proposed


def test_columns_that_are_no_names_of_pythons_get_some() -> None:
    names = ["a", "Größe", "Mean Radius (mm)", "class", "2nd", "?", "__x", "np", "mean_radius_mm"]
    assert field_names(names) == [
        *("a", "Größe", "mean_radius_mm_2", "class_", "n_2nd", "column_5", "x", "np_2"),
        "mean_radius_mm",
    ]


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"x": [1.5, 2.5], "order_id": [7, 8], "y": [1, 1]}, "order_id"),
        ({"code": ["a", "b"], "x": [1, 1], "y": [1, 1]}, "code"),
        ({"first": [3, 4], "x": [1, 1], "y": [1, 1]}, "first"),
        ({"x": [1, 1], "text": ["a", "b"], "y": [1, 1]}, None),
        ({"x": [1, 1], "count": [3, 4], "y": [1, 1]}, None),
        ({"order_id": [7, 7], "x": [1, 1], "y": [1, 1]}, None),
        ({"order_id": [7, None], "x": [1, 1], "y": [1, 1]}, None),
    ],
    ids=["by name", "by name, text", "first", "a text", "a count", "twice", "missing"],
)
def test_the_key_is_a_column_that_tells_rows_apart(
    tmp_path: Path, columns: dict[str, list[object]], key: str | None
) -> None:
    frame = pd.concat([pd.DataFrame(columns)] * 1).assign(z=[0.5, 1.5])
    found = propose(table(tmp_path, frame)).key
    assert (found.column.name if found is not None else None) == key


SOLD = FRAME["sold at"]


@pytest.mark.parametrize(
    ("others", "event_time"),
    [
        ({}, "sold at"),
        ({"sold at": SOLD.where(SOLD.index > 0)}, None),
        ({"paid at": SOLD.to_numpy()[::-1]}, "sold at"),
        ({"paid at": SOLD}, None),
        ({"sold at": SOLD.to_numpy()[::-1], "paid at": SOLD.where(SOLD.index > 0)}, None),
    ],
    ids=["the only one", "missing in a row", "sorts the rows", "two sort them", "none does in all"],
)
def test_the_event_time_is_the_only_time_or_the_one_that_sorts_the_rows(
    tmp_path: Path, others: dict[str, object], event_time: str | None
) -> None:
    proposal = propose(table(tmp_path, FRAME.assign(**others, what=X)))
    pipeline, _ = written(tmp_path, proposal)
    found = proposal.event_time

    assert (found.column.name if found is not None else None) == event_time
    assert pipeline.record_schema.event_time == (None if found is None else found.name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": "clas"}, "has no column 'clas'; .* Did you mean 'class'?"),
        ({"label": "note"}, "'note', the column to predict, has 60 different texts"),
        ({"label": "sold at"}, "holds no number, truth or text"),
        ({"label": "empty"}, "'empty', the column to predict, is empty"),
        ({"key": "zip"}, "zip cannot be the key .* 2 different values in 60 rows"),
        ({"key": "note", "label": "note"}, "note cannot be both"),
    ],
    ids=["unknown label", "too many texts", "a time", "empty", "no key", "both"],
)
def test_a_column_that_cannot_be_what_it_is_named_for_is_refused(
    tmp_path: Path, options: dict[str, str], said: str
) -> None:
    with pytest.raises(ProposalError, match=said):
        propose(table(tmp_path, FRAME.assign(what=X)), **options)


def test_dates_that_may_be_of_two_layouts_are_texts_with_a_hint(tmp_path: Path) -> None:
    days = [f"{1 + at % 12:02}/{1 + at // 12:02}/2024" for at in range(ROWS)]
    proposal = propose(table(tmp_path, pd.DataFrame({"x": X, "day": days, "y": X})))
    assert "day: str  # dates? As a datetime they need dates=" in columns_source("odd", proposal)


GERMAN = pd.DataFrame(
    {
        "plz": [f"{at * 997 % 99_999:05}" for at in range(ROWS)],
        "datum": pd.date_range("2024-01-01", periods=ROWS).strftime("%d.%m.%Y"),
        "preis": [f"{at}.{at % 7}5".replace(".", ",") for at in range(ROWS)],
        "ort": ["Köln", "Ulm"] * (ROWS // 2),
        "menge": range(ROWS),
        "y": X,
    }
)


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({"sep": ";", "encoding": "cp1252"}, CsvFormat(";", ",", "cp1252", "%d.%m.%Y")),
        ({"sep": "\t", "encoding": "utf-16"}, CsvFormat("\t", ",", "utf-16", "%d.%m.%Y")),
        ({}, CsvFormat(",", ",", "utf-8", "%d.%m.%Y")),  # its decimals stand in quotes
    ],
    ids=["semicolons", "tabs", "commas"],
)
def test_how_a_file_is_written_is_proposed_by_the_file(
    tmp_path: Path, project: Project, options: dict[str, str], written: CsvFormat
) -> None:
    path = tmp_path / "german.csv"
    GERMAN.assign(y=[f"{x}".replace(".", ",") for x in X]).to_csv(path, index=False, **options)
    found = read_table(path)
    assert found.written == written
    assert [column.declared for column in found.columns] == [
        *("str", "datetime", "float", "str", "int", "float")
    ]
    _, _, files = write_pipeline_from(project, "german", path)
    declared = imported(tmp_path, files[0].read_text()).PIPELINE
    source = (project.root / "assets" / "german.py").read_text()
    for name, value in written.options().items():  # of the history and of the inbox
        assert source.count(f"{name}={json.dumps(value)}") == 2
    assert max(map(len, source.splitlines())) <= 100
    decoded = decode_file(path, declared.joint_schema, written)
    assert not decoded.rejected
    columns = decoded.columns
    assert columns["plz"].tolist() == GERMAN["plz"].tolist()
    assert columns["preis"].tolist() == [float(f"{at}.{at % 7}5") for at in range(ROWS)]
    assert str(columns["datum"][1]) == "2024-01-02T00:00:00.000000"


def test_thousands_are_no_decimals(tmp_path: Path) -> None:
    counts = [f"{1 + at},{at:03}" for at in range(ROWS)]
    found = table(tmp_path, pd.DataFrame({"x": X, "count": counts, "y": X}))
    assert found.written == CsvFormat(thousands=",")
    assert [column.declared for column in found.columns] == ["float", "int", "float"]
    assert list(found.columns[1].counts)[:2] == [1000, 2001]


def test_layouts_that_differ_by_column_are_proposed_by_column(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=ROWS)
    frame = pd.DataFrame(
        {"a": days.strftime("%d.%m.%Y"), "b": days.strftime("%d-%b-%Y"), "c": days, "y": X}
    )
    found = table(tmp_path, frame)
    assert found.written.dates == {"a": "%d.%m.%Y", "b": "%d-%b-%Y"}
    assert [column.declared for column in found.columns][:3] == ["datetime"] * 3


# Files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1.5,2.5\n3.5,4.5\n", r"has no header: its first line is 1\.5, 2\.5"),
        (b"a,a\n1,2\n", r"has the column a more than once"),
        (b"a,b\n", r"has a header and no rows"),
        (b"", r"is empty"),
        (b"a, b\n1, 2\n", r"the numbers of  b have spaces around them"),
    ],
    ids=["no header", "twice", "no rows", "empty", "spaces"],
)
def test_a_file_of_another_kind_is_one_line_that_says_what_to_do(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as refused:
        read_table(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "written_by",
    [{"sep": ";", "decimal": ",", "encoding": "latin-1"}, {"encoding": "latin-1"}],
    ids=["semicolons", "Latin-1"],
)
def test_the_command_in_that_line_writes_a_file_that_is_understood(
    tmp_path: Path, written_by: dict[str, str]
) -> None:
    frame = pd.DataFrame({"town": ["Köln", "Ulm"], "x": [1.5, 2.5]})
    path = tmp_path / "it's $HOME's `table`.csv"
    frame.to_csv(path, index=False, **written_by)
    with pytest.raises(UnreadableError) as refused:
        read_csv(path)
    arguments = str(refused.value).partition(" by: python ")[2]
    subprocess.run(f"{shlex.quote(sys.executable)} {arguments}", shell=True, check=True)
    pd.testing.assert_frame_equal(pd.read_csv(path.with_stem(f"{path.stem}-new")), frame)


# Where it is written to


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[tool.lockstep]\n")
    return Project.find(folder)


def test_a_table_outside_of_the_project_is_copied_into_it(tmp_path: Path, project: Project) -> None:
    outside = table(tmp_path, FRAME.assign(what=X)).path
    write_pipeline_from(project, "odd", outside)
    assert (project.root / "data" / "odd.csv").read_bytes() == outside.read_bytes()
    assert 'CsvSource("data/odd.csv")' in (project.root / "assets" / "odd.py").read_text()


def test_a_table_in_the_project_is_used_where_it_is(project: Project) -> None:
    (project.root / "tables").mkdir()
    inside = table(project.root / "tables", FRAME.assign(what=X)).path
    write_pipeline_from(project, "odd", inside)
    assert 'CsvSource("tables/table.csv")' in (project.root / "assets" / "odd.py").read_text()
    assert not (project.root / "data").exists()


def test_a_pipeline_that_is_there_is_left_alone(tmp_path: Path, project: Project) -> None:
    write_pipeline(project, "odd")
    before = (project.root / "transforms" / "odd.py").read_text()
    with pytest.raises(WritingError, match=r"odd\.py is there already"):
        write_pipeline_from(project, "odd", table(tmp_path, FRAME.assign(what=X)).path)
    assert (project.root / "transforms" / "odd.py").read_text() == before


@pytest.mark.parametrize("name", ["Two Words", "class", "9lives", "a-b", "_hidden", "Ärger"])
def test_a_name_that_is_none_for_a_pipeline_is_refused(project: Project, name: str) -> None:
    with pytest.raises(WritingError, match=r"is no name for a pipeline|is a word of Python"):
        write_pipeline(project, name)


def test_a_pipeline_without_a_table_is_one_that_can_be_imported(
    tmp_path: Path, project: Project
) -> None:
    files = write_pipeline(project, "odd")
    assert [file.parent.name for file in files] == ["transforms", "expectations", "assets"]
    pipeline = imported(tmp_path, files[0].read_text()).PIPELINE
    assert pipeline.graph.outputs == ("predicted_weight",)
