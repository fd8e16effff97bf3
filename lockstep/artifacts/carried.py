"""A version run by the Lockstep that it carries, as MLflow runs it (`python_function`).

Nothing else in Lockstep runs `framework.json`. A version whose carried modules are damaged, or do
not run with the installed libraries, scores as ever and fails wherever MLflow serves it.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.artifacts.artifact import FRAMEWORK
from lockstep.artifacts.modules import ModuleSet
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Trace
from lockstep.columns.tables import from_arrow, to_frame
from lockstep.parity.comparison import Comparison, compare

if TYPE_CHECKING:
    import pandas as pd

    from lockstep.artifacts.version import LoadedVersion

_SETTING = f"by the Lockstep in {FRAMEWORK}, as MLflow does"
_numbers = itertools.count(1)


def replay_as_carried(loaded: LoadedVersion) -> Comparison:
    """Predict a version's golden records as MLflow does, and compare the outputs."""
    import pyarrow as pa

    pipeline, expected = loaded.pipeline, loaded.golden.trace
    outputs = pipeline.graph.outputs
    given = pipeline.looked_up_schema.names  # MLflow has no tables
    frame = to_frame({name: expected.columns[name] for name in given})
    try:
        table = pa.Table.from_pandas(_predicted(loaded.directory, frame), preserve_index=False)
        columns: Columns = from_arrow(
            table, {name: pipeline.graph.kind(name) for name in (pipeline.key, *outputs)}
        )
    except Exception as error:  # noqa: BLE001 - any error would end MLflow's serving
        cause = f"{type(error).__name__}: {error}"
        return Comparison(
            setting=_SETTING,
            failure=f"{loaded.directory / FRAMEWORK} holds no Lockstep that MLflow could serve the "
            f"version with ({cause}). Restore the file, or train and promote a version anew",
        )
    actual = Trace(columns[pipeline.key], columns, {})
    return compare(
        expected,
        actual,
        pipeline.graph,
        scales=loaded.golden.scales,
        columns=outputs,
        version=loaded.version,
        setting=_SETTING,
    )


def _predicted(directory: Path, records: pd.DataFrame) -> pd.DataFrame:
    """A version's predictions by the modules that it carries; see `registry.python_function`."""
    stored = json.loads((directory / FRAMEWORK).read_bytes())
    framework = ModuleSet(f"_lockstep_carried_{next(_numbers)}", stored)
    try:
        pipeline = framework.load("lockstep.artifacts.artifact").Artifact.open(directory).pipeline()
        try:
            predicted: pd.DataFrame = pipeline.predict(records)
        finally:
            framework.load("lockstep.artifacts.snapshot").unload(pipeline)
    finally:
        framework.unload()
    return predicted
