"""The face of the library: what a pipeline's author imports."""

import subprocess
import sys

import lockstep

HEAVY = ("dagster", "mlflow", "great_expectations", "matplotlib")


def test_the_exported_names_are_these() -> None:
    assert lockstep.__all__ == [
        "Asked",
        "Bools",
        "Calendar",
        "Canary",
        "Constraints",
        "CsvFormat",
        "CsvSource",
        "Event",
        "EventTime",
        "Floats",
        "FunctionSource",
        "Ints",
        "Key",
        "KnownTime",
        "Missing",
        "Named",
        "Outcome",
        "ParquetSink",
        "ParquetSource",
        "Personal",
        "Pipeline",
        "PipelineAssets",
        "Quality",
        "Record",
        "RequestLog",
        "RowNumber",
        "Serving",
        "SqlSink",
        "SqlSource",
        "Suites",
        "Table",
        "TableAssets",
        "Texts",
        "Times",
        "Zone",
        "feature",
        "fields",
        "label",
        "lookup",
        "model",
        "output",
        "window",
    ]


def test_every_exported_name_exists() -> None:
    assert [name for name in lockstep.__all__ if not hasattr(lockstep, name)] == []


def test_what_is_imported_under_a_name_is_what_its_module_defines() -> None:
    from lockstep import Record, feature
    from lockstep.columns import decorators, records

    assert (Record, feature) == (records.Record, decorators.feature)


def test_the_command_line_says_what_it_can_do_without_any_library_of_tables() -> None:
    program = (
        "import sys\n"
        "from lockstep.cli.main import main\n"
        "sys.argv = ['lockstep', '--help']\n"
        "try: main()\n"
        "except SystemExit: print([one for one in ('numpy', 'pandas') if one in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines()[-1] == "[]"


def test_the_face_loads_no_framework() -> None:
    program = (
        "import sys, lockstep; [getattr(lockstep, name) for name in lockstep.__all__]; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
