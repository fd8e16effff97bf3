"""The face of the library: what a pipeline's author imports."""

import subprocess
import sys

import lockstep

HEAVY = ("dagster", "mlflow", "great_expectations", "matplotlib")


def test_the_exported_names_are_these() -> None:
    assert lockstep.__all__ == [
        "Bools",
        "Calendar",
        "Canary",
        "CsvSource",
        "EventTime",
        "Floats",
        "FunctionSource",
        "Ints",
        "Key",
        "Missing",
        "Named",
        "Outcome",
        "ParquetSource",
        "Pipeline",
        "PipelineAssets",
        "Quality",
        "Record",
        "RequestLog",
        "RowNumber",
        "Serving",
        "SqlSource",
        "Suites",
        "Texts",
        "Times",
        "Zone",
        "feature",
        "fields",
        "label",
        "model",
        "output",
    ]


def test_every_exported_name_exists() -> None:
    assert [name for name in lockstep.__all__ if not hasattr(lockstep, name)] == []


def test_the_face_loads_no_framework() -> None:
    program = (
        "import sys, lockstep; [getattr(lockstep, name) for name in lockstep.__all__]; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
