"""Data Docs: Great Expectations' own pages of what was found, written without a network."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.suites.data_docs import write_docs
from lockstep.suites.validation import validate

SUITE = {
    "name": "what may come",
    "expectations": [
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "carrier", "value_set": ["UA", "DL"]},
        },
        {
            "type": "expect_column_mean_to_be_between",
            "kwargs": {"column": "carrier", "min_value": 0},
        },
    ],
}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("nothing is to be fetched")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def told(columns: Columns) -> dict[str, Any]:
    """What is kept of a validation."""
    return json.loads(json.dumps(validate(columns, SUITE, key="flight_id").validation))


def page_of(folder: Path, name: str) -> str:
    (path,) = (folder / "validations").rglob(f"{name}.html")
    return path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("offline")
def test_each_suite_has_a_page_that_names_its_expectations(
    flights: Columns, tmp_path: Path
) -> None:
    kept = told(flights)

    index = write_docs({"first": kept, "second": kept}, "flights", "attempt 1", tmp_path / "site")

    assert index == tmp_path / "site" / "index.html"
    assert "attempt 1" in index.read_text(encoding="utf-8")
    for name in ("first", "second"):
        page = page_of(tmp_path / "site", name)
        assert "values must belong to this set" in page
        assert "Could not convert" in page
        assert "flights" in page


@pytest.mark.usefixtures("offline")
def test_values_of_rows_and_names_of_files_are_no_markup(flights: Columns, tmp_path: Path) -> None:
    flights["carrier"] = np.array(["<b>$x</b>"] * 6, dtype=object)

    write_docs({"input": told(flights)}, "<i>.csv", "attempt 1", tmp_path)

    page = page_of(tmp_path, "input")
    assert "&lt;b&gt;$x&lt;/b&gt;" in page
    assert "<b>$x" not in page
    assert "<i>.csv" not in page
