"""How CSV files are written: separators, decimals, encodings, times and dates."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.csv_format import CsvFormat
from lockstep.columns.dates import LAYOUTS, layout_of, moments, shape_of, shape_of_layout
from lockstep.columns.decode import Decoded
from lockstep.columns.files import decode_file
from lockstep.columns.records import Key, Record, Zone
from lockstep.errors import DeclarationError, UnreadableError
from lockstep.project.sources import CsvSource, decode_source


class Sale(Record):
    plz: Key[str]
    preis: float | None
    menge: int
    datum: Annotated[datetime | None, Zone("Europe/Berlin")]
    ort: str


GERMAN = CsvFormat(separator=";", decimal=",", encoding="cp1252", dates="%d.%m.%Y")
TEXT = 'plz;preis;menge;datum;ort\n01067;1,50;3;31.12.2023;München\n04109;;4;;"a; b"\n'


def decoded(folder: Path, text: str, written: CsvFormat = GERMAN) -> Decoded:
    path = folder / "sales.csv"
    path.write_bytes(text.encode(written.encoding))
    return decode_file(path, Sale.schema(), written)


def test_german_numbers_and_dates_are_numbers_and_times(tmp_path: Path) -> None:
    columns = decoded(tmp_path, TEXT).columns
    assert columns["plz"].tolist() == ["01067", "04109"]
    assert columns["preis"].tolist()[0] == 1.5
    assert columns["menge"].tolist() == [3, 4]
    assert str(columns["datum"][0]) == "2023-12-30T23:00:00.000000"
    assert columns["ort"].tolist() == ["München", "a; b"]


def test_decimals_in_quotes_and_days_by_column_are_read_with_commas(tmp_path: Path) -> None:
    written = CsvFormat(decimal=",", dates={"datum": "%d.%m.%Y"})
    text = 'plz,preis,menge,datum,ort\n01067,"1,50",3,31.12.2023,Ulm\n'
    columns = decoded(tmp_path, text, written).columns
    assert columns["preis"].tolist() == [1.5]
    assert str(columns["datum"][0]) == "2023-12-30T23:00:00.000000"


NO_NUMBER = "preis: '{}' is text, not a number"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        *[("1,50", price, NO_NUMBER) for price in ("1.5", "1.234,5", ",", "1,2,3")],
        ("31.12.2023", "12/31/2023", "datum: '{}' is not a time"),
    ],
)
def test_a_number_or_a_day_that_is_written_otherwise_is_refused(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    (rejected,) = decoded(tmp_path, TEXT.replace(before, after)).rejected
    assert told.format(after) in str(rejected)


def test_a_file_with_commas_for_others_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="by commas, not semicolons") as refused:
        decoded(tmp_path, TEXT.replace(";", ","))
    assert 'separator=","' in str(refused.value)


def test_lines_in_another_encoding_are_set_aside_unless_all_are(tmp_path: Path) -> None:
    path, ascii_alone = tmp_path / "sales.csv", CsvFormat(";", ",", "ascii")
    path.write_bytes(TEXT.encode("cp1252"))
    (row,) = decode_file(path, Sale.schema(), ascii_alone).rejected
    assert str(row) == "row 0: line 2 is not in the encoding of the file"
    assert row.record["text"] == "01067;1,50;3;31.12.2023;M\N{REPLACEMENT CHARACTER}nchen"
    path.write_bytes(TEXT.partition("04109")[0].encode("cp1252"))
    with pytest.raises(UnreadableError, match=r"is not in ascii \(line 2\)"):
        decode_file(path, Sale.schema(), ascii_alone)


def test_a_row_cut_off_is_named_by_its_cells(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"line 3 has 2 cells, and the header 5: '04109;1,5'"):
        decoded(tmp_path, TEXT.partition("04109")[0] + "04109;1,5")


def test_a_source_says_how_its_file_is_written(tmp_path: Path) -> None:
    path = tmp_path / "2024-01-01.csv"
    path.write_bytes(TEXT.encode("cp1252"))
    source = CsvSource(path, separator=";", decimal=",", encoding="cp1252", dates="%d.%m.%Y")
    assert decode_source(source, Sale.schema()).columns["preis"][0] == 1.5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"separator": ";;"}, "separator is ';;'; give one character"),
        ({"separator": '"'}, "separator is"),
        ({"decimal": ";"}, "decimal is ';'; give one of '.', ','"),
        ({"encoding": "ansi-german"}, "no encoding 'ansi-german'"),
        ({"encoding": "base64"}, "no encoding 'base64'"),
        ({"dates": "DD.MM.YYYY"}, "dates names 'DD.MM.YYYY'; give a layout"),
        ({"dates": ["%d.%m.%Y"]}, "dates is"),
    ],
)
def test_settings_that_mean_nothing_are_refused_where_they_are_declared(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises(DeclarationError, match=said):
        CsvSource("days.csv", **options)


DAYS = np.arange("2021-01-25", "2021-02-20", dtype="datetime64[D]").astype(object)


@pytest.mark.parametrize(
    "layout",
    ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"],
)
def test_a_layout_is_told_from_texts_and_reads_them(layout):
    texts = np.array([f"{day:{layout.removesuffix('%z')}}" for day in DAYS], dtype=object)
    texts += "+01:00" if layout.endswith("%z") else ""
    assert layout_of(texts) == layout
    ahead = np.timedelta64(1 if layout.endswith("%z") else 0, "h")
    assert (moments(texts, layout) + ahead == DAYS.astype("datetime64[us]")).all()


@given(
    moment=st.datetimes(*(datetime(year, 1, 1, tzinfo=None) for year in (1900, 2100))),  # noqa: DTZ001
    layout=st.sampled_from(LAYOUTS),
    offset=st.sampled_from(["Z", "+0130", "-11:00"]),
)
def test_a_text_in_a_layout_has_its_shape(moment, layout, offset):
    text = f"{moment:{layout.removesuffix('%z')}}" + offset * layout.endswith("%z")
    assert not np.isnat(moments(np.array([text], dtype=object), layout)[0])
    assert shape_of(text).startswith(shape_of_layout(layout))
    assert layout.endswith("%z") or shape_of(text) == shape_of_layout(layout)


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([f"0{day}/0{month}/2021" for day in (1, 2) for month in (3, 4, 5)], id="both"),
        pytest.param([f"2021-01-{day}" for day in range(28, 34)], id="some are no dates"),
        pytest.param([f"{hour}:{hour}:1" for hour in range(20, 30)], id="no times of a day"),
        pytest.param([f"AB{day}" for day in range(28, 34)], id="codes"),
        pytest.param(["2021-01-01"], id="one text"),
        pytest.param([], id="none"),
    ],
)
def test_other_texts_have_no_layout(texts):
    assert layout_of(np.array(texts, dtype=object)) is None


def test_a_text_for_what_is_not_known_leaves_a_layout_what_it_is():
    texts = np.array(["0000-00-00", *(str(day) for day in DAYS)], dtype=object)
    assert layout_of(texts) == "%Y-%m-%d"
    assert np.flatnonzero(np.isnat(moments(texts, "%Y-%m-%d"))).tolist() == [0]
