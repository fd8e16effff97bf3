"""The round trip: a stored version, loaded and computed with in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lockstep.artifacts.artifact import GOLDEN, Artifact
from lockstep.artifacts.errors import ArtifactError
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.tables import to_frame
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.golden import GoldenRecords

_PROGRAM = "import sys; from lockstep.artifacts.round_trip import compute; compute(*sys.argv[1:])"


def replay_in_new_process(loaded: LoadedVersion) -> Comparison:
    """Compute a version's golden records in a new process, from its files alone.

    Whatever this process knows by chance (modules that are loaded, seeds, caches) is not there.
    The records are decoded anew, from a DataFrame, and all columns and matrices are compared with
    the stored ones.

    Args:
        loaded: The version.

    Raises:
        ArtifactError: The version cannot be used there.
    """
    with tempfile.TemporaryDirectory(prefix="lockstep-") as computed:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(loaded.directory), loaded.digest, computed],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise ArtifactError(f"{loaded.directory} cannot be used in a new process: {last}")
        anew = GoldenRecords.from_directory(computed)
    expected = loaded.golden.trace
    return compare(expected, anew.trace, loaded.pipeline.graph, columns=expected.columns)


def compute(directory: str, digest: str, computed: str) -> None:
    """Compute a version's golden records and write them; the new process runs this.

    Args:
        directory: The version's files.
        digest: SHA-256 of its manifest.
        computed: Where to write what was computed.
    """
    pipeline = Artifact.open(Path(directory), digest).pipeline()
    golden = GoldenRecords.from_directory(Path(directory, GOLDEN))
    has_outcome = set(pipeline.joint_schema.names) <= set(golden.records)
    trace = pipeline.trace(to_frame(golden.records), labels=has_outcome, matrices=True)
    GoldenRecords(golden.records, trace).to_directory(computed)
