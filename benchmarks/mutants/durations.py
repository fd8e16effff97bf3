"""A plugin of pytest that writes how long each test took, and which ones failed."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.mutants.tests import DURATIONS

_SECONDS: Counter[str] = Counter()
_FAILED: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a part of a test took, and whether it failed."""
    if report.failed:
        _FAILED.add(report.nodeid)
    _SECONDS[report.nodeid] += report.duration  # type: ignore[assignment]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write it down, once for all workers."""
    if DURATIONS in os.environ and not hasattr(session.config, "workerinput"):
        Path(os.environ[DURATIONS]).write_text(
            json.dumps({"seconds": _SECONDS, "failed": sorted(_FAILED)})
        )
