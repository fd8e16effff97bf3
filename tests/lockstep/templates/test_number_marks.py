"""The decimal mark of a file is chosen by all its columns, and no number becomes another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstep.columns.csv_format import CsvFormat
from lockstep.columns.schema import Field
from lockstep.project.project import Project
from lockstep.templates.project_writing import write_pipeline_from
from lockstep.templates.table import TableFile, read_table


def read(folder: Path, separator: str, columns: Mapping[str, list[str]]) -> TableFile:
    """A table of these cells, each in quotes where it holds the separator."""

    def line(cells: Any) -> str:
        quoted = (f'"{cell}"' if separator in cell else cell for cell in cells)
        return separator.join(quoted) + "\n"

    path = folder / "table.csv"
    rows = zip(*columns.values(), strict=True)
    path.write_text(line(columns) + "".join(map(line, rows)), encoding="utf-8")
    return read_table(path)


def values(table: TableFile) -> dict[str, tuple[str | None, list[Any]]]:
    """By column: its type, and its values."""
    return {column.name: (column.declared, list(column.counts)) for column in table.columns}


def german(number: float, decimals: int) -> str:
    return f"{number:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


@pytest.mark.parametrize(
    ("separator", "columns", "marks", "expected"),
    [
        (
            ";",
            {"sum": ["1.250", "125.100"], "price": ["1,5", "2,25"]},
            (",", "."),
            {"sum": ("int", [1250, 125100]), "price": ("float", [1.5, 2.25])},
        ),
        (
            ";",
            {"kg": ["1,250", "0,125", "12,500"]},
            (",", None),
            {"kg": ("float", [1.25, 0.125, 12.5])},
        ),
        (
            ",",
            {"count": ["1,250", "12,500"], "x": ["0.5", "1.250"]},
            (".", ","),
            {"count": ("int", [1250, 12500]), "x": ("float", [0.5, 1.25])},
        ),
        (";", {"n": ["1.250.000", "7"]}, (",", "."), {"n": ("int", [1_250_000, 7])}),
        (";", {"n": ["1.250", "125.100"]}, (".", None), {"n": ("str", ["1.250", "125.100"])}),
        (",", {"n": ["1.250", "2.100"]}, (".", None), {"n": ("float", [1.25, 2.1])}),
        (
            ";",
            {"n": ["1.250"], "a": ["1,5"], "b": ["1.5"]},
            (".", None),
            {"n": ("str", ["1.250"]), "a": ("str", ["1,5"]), "b": ("float", [1.5])},
        ),
        (";", {"id": ["007"], "ip": ["1.2.3.4"]}, (".", None), {"id": ("str", ["007"])}),
    ],
)
def test_the_marks_of_a_file_are_those_that_its_columns_agree_on(
    tmp_path: Path,
    separator: str,
    columns: dict[str, list[str]],
    marks: tuple[str, str | None],
    expected: dict[str, tuple[str, list[Any]]],
) -> None:
    rows = len(next(iter(columns.values())))
    table = read(tmp_path, separator, {**columns, "y": ["0"] * rows})
    assert (table.written.decimal, table.written.thousands) == marks
    assert values(table).items() >= expected.items()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_numbers_in_german_style_come_back_as_the_same_numbers(
    tmp_path: Path, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(1, 5))
    numbers = st.integers(-(10**9), 10**9)
    columns = {"id": ["x"] * rows}
    expected: dict[str, list[float]] = {}
    for name in data.draw(st.sampled_from(["a", "ab", "abc"])):
        decimals = data.draw(st.integers(0, 4))
        drawn = [data.draw(numbers) / 10**decimals for _ in range(rows)]
        columns[name] = [german(number, decimals) for number in drawn]
        expected[name] = drawn
    table = read(tmp_path, ";", columns)
    for name, (declared, held) in values(table).items():
        if name == "id":
            assert held == ["x"]
        elif declared == "str":  # no column tells; each number could be two
            assert any(note.startswith(f"{name} is kept as texts") for note in table.notes)
        else:
            assert held == pytest.approx(list(dict.fromkeys(expected[name])))


@pytest.mark.parametrize(
    ("written", "cell", "number"),
    [
        (CsvFormat(decimal=",", thousands="."), "1.234.567,89", 1234567.89),
        (CsvFormat(decimal=",", thousands="."), "-1.250", -1250),
        (CsvFormat(decimal=",", thousands="."), "1250,5", 1250.5),
        (CsvFormat(decimal=",", thousands="."), "1.25", None),
        (CsvFormat(decimal=",", thousands="."), "0.125", None),
        (CsvFormat(decimal=","), "1.250", None),
        (CsvFormat(thousands=","), "1,250.5", 1250.5),
        (CsvFormat(thousands=","), "1,25", None),
        (CsvFormat(), "1,250", None),
    ],
)
def test_only_whole_groups_of_three_digits_are_thousands(
    written: CsvFormat, cell: str, number: float | None
) -> None:
    parsed = written.parser(Field("sum", "float"), "sum")(cell)
    assert parsed == (cell if number is None else number)


def test_how_a_number_was_read_is_written_into_the_proposal(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.lockstep]\n")
    project = Project.find(tmp_path)
    columns = {"sum": ["1.250", "125.100"], "price": ["1,5", "2,25"], "y": ["0", "1"]}
    table = read(tmp_path, ";", columns)
    note = "sum: 1.250 is read as 1250, since price has decimal commas. Is that right?"
    assert table.notes == (note,)
    write_pipeline_from(project, "sums", table.path)
    source = (project.root / "assets" / "sums.py").read_text()
    assert f"    # {note}\n" in source
    assert 'decimal=",", thousands="."' in source


def test_an_encoding_that_was_assumed_is_told_with_a_text_that_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("id;city;y\n1;Ulm;0\n2;Łódź;1\n".encode("cp1250"))
    table = read_table(path)
    assert table.written.encoding == "cp1252"
    assert table.notes == (
        "cp1252 is assumed, since the file is not UTF-8; by that it holds £ódŸ. If that is wrong, "
        "give encoding= as it is, such as cp1250.",
    )
