"""A package of the repository that no version carries."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def common_fees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`common_fees`, which can be imported and is none of the project's packages."""
    folder = tmp_path / "common_fees"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "rates.py").write_text("RATE = 2.0\n")
    (folder / "fees.json").write_text('{"DE": 2.0}')
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "common_fees"]:
        del sys.modules[name]
