"""The round trip: a stored version, loaded and computed with in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lockstep.artifacts.artifact import GOLDEN, Artifact
from lockstep.artifacts.errors import ArtifactError
from lockstep.columns.tables import to_frame
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.golden import GoldenRecords

_PROGRAM = "import sys; from lockstep.artifacts.round_trip import compute; compute(*sys.argv[1:])"


def replay_in_new_process(directory: Path) -> Comparison:
    """Compute a version's golden records in a new process, from its files alone.

    Whatever this process knows by chance (modules that are loaded, seeds, caches) is not there.
    The records are decoded anew, from a DataFrame, and all columns and matrices are compared with
    the stored ones.

    Args:
        directory: The version's files.

    Raises:
        ArtifactError: A file is missing or was changed, or the process broke off.
    """
    artifact = Artifact.open(directory)
    golden = GoldenRecords.from_directory(directory / GOLDEN)
    with tempfile.TemporaryDirectory(prefix="lockstep-") as computed:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(directory), computed],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise ArtifactError(f"{directory} cannot be used in a new process: {last}")
        anew = GoldenRecords.from_directory(computed)
    graph = artifact.pipeline().graph
    return compare(golden.trace, anew.trace, graph, columns=golden.trace.columns)


def compute(directory: str, computed: str) -> None:
    """Compute a version's golden records and write them; the new process runs this.

    Args:
        directory: The version's files.
        computed: Where to write what was computed.
    """
    pipeline = Artifact.open(Path(directory)).pipeline()
    golden = GoldenRecords.from_directory(Path(directory, GOLDEN))
    has_outcome = set(pipeline.joint_schema.names) <= set(golden.records)
    trace = pipeline.trace(to_frame(golden.records), labels=has_outcome, matrices=True)
    GoldenRecords(golden.records, trace).to_directory(computed)
