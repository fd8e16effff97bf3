"""The forms in which MLflow's protocol takes the same rows."""

import io
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

Records = list[dict[str, Any]]

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"


def frame(orders: Records) -> pd.DataFrame:
    return pd.DataFrame(orders).astype(object).where(lambda it: it.notna(), None)


def split(orders: Records) -> dict[str, Any]:
    return frame(orders).to_dict(orient="split")


def columns(orders: Records) -> dict[str, list[Any]]:
    return frame(orders).to_dict(orient="list")


def csv(orders: Records) -> bytes:
    return pd.DataFrame(orders).to_csv(index=False).encode()


def parquet_of(orders: Records, **options: Any) -> bytes:
    written = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(orders), written, **options)
    return written.getvalue()


FORMS: dict[str, Callable[[Records], tuple[Any, str]]] = {
    "records": lambda orders: ({"dataframe_records": orders}, JSON),
    "split": lambda orders: ({"dataframe_split": split(orders)}, JSON),
    "instances": lambda orders: ({"instances": orders}, JSON),
    "inputs of columns": lambda orders: ({"inputs": columns(orders)}, JSON),
    "inputs of records": lambda orders: ({"inputs": orders}, JSON),
    "CSV": lambda orders: (csv(orders), CSV),
    "Parquet": lambda orders: (parquet_of(orders), PARQUET),
}
