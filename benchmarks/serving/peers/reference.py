"""What the peers predict with: the live version's pipeline, computing with scikit-learn itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

POINTER = "BENCHMARK_POINTER"
"""The environment variable that names the file which says which version is live."""
PORT = "BENCHMARK_PORT"
"""The environment variable that says where to listen."""


class Reference:
    """The live version, loaded once."""

    def __init__(self) -> None:
        from lockstep.artifacts.pointers import open_live

        self._pipeline = open_live(Path(os.environ[POINTER])).pipeline

    def predict(self, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Key, event time and outputs of records as JSON has them, one row a record."""
        frame = self._pipeline.predict(pd.DataFrame(list(records), dtype=object))
        names = [str(name) for name in frame.columns]
        columns = [frame[name].tolist() for name in names]
        rows = zip(*columns, strict=True)
        return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
