"""The round trip: a stored version, loaded and computed with in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from lockstep.artifacts.artifact import GOLDEN, Artifact
from lockstep.artifacts.errors import ArtifactError
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.tables import to_frame
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.golden import GoldenRecords

_LIMIT = timedelta(minutes=10)
"""A process that takes longer to compute some hundred records hangs."""
_PROGRAM = "import sys; from lockstep.artifacts.round_trip import compute; compute(*sys.argv[1:])"


def replay_in_new_process(loaded: LoadedVersion, *, limit: timedelta = _LIMIT) -> Comparison:
    """Compute a version's golden records in a new process, from its files alone.

    Whatever this process knows by chance (modules that are loaded, seeds, caches) is not there.
    The records are decoded anew, from a DataFrame, and all columns and matrices are compared with
    the stored ones.

    Args:
        loaded: The version.
        limit: How long the process may take.

    Raises:
        ArtifactError: The version cannot be used there, or not within the limit.
    """
    with tempfile.TemporaryDirectory(prefix="lockstep-") as computed:
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, str(loaded.directory), loaded.digest, computed],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                capture_output=True,
                text=True,
                check=False,
                timeout=limit.total_seconds(),
            )
        except subprocess.TimeoutExpired as error:
            raise ArtifactError(
                f"{loaded.directory} computed nothing in a new process within {limit}: look for a "
                "function or an import there that waits for something."
            ) from error
        if done.returncode:
            last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise ArtifactError(f"{loaded.directory} cannot be used in a new process: {last}")
        anew = GoldenRecords.from_directory(computed)
    expected = loaded.golden.trace
    return compare(
        expected,
        anew.trace,
        loaded.pipeline.graph,
        scales=loaded.golden.scales,
        columns=expected.columns,
        version=loaded.version,
    )


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
    replace(golden, trace=trace).to_directory(computed)
