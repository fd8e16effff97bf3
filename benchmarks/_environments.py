"""Environments of the peers: made once, with pinned versions, beside the project's own."""

from __future__ import annotations

import re
import subprocess
import venv
from pathlib import Path

from benchmarks._rounds import HERE, BenchmarkError

FOLDER = HERE / ".peers"
"""Where they are kept between runs."""
_INSTALLED = "installed.txt"


def environment_of(requirements: Path) -> Path:
    """The Python of a peer's environment, which is made if it is not there as it should be.

    Args:
        requirements: What it needs, a file that is named after it.

    Raises:
        BenchmarkError: Something cannot be installed.
    """
    peer = requirements.stem
    folder = FOLDER / peer
    python, stamp = folder / "bin" / "python", folder / _INSTALLED
    wanted = requirements.read_text()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"Installing {peer} into {FOLDER.name}/{peer}: some minutes, once.", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "--requirement", str(requirements)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(
            f"{peer} cannot be installed; leave it out, or look why:\n{done.stderr.strip()[-2000:]}"
        )
    stamp.write_text(wanted)  # last, so that an interrupted installation is taken up again
    return python


def pinned(requirements: Path, package: str = "") -> str:
    """The version of a peer that is installed for it.

    Args:
        requirements: What it needs.
        package: The peer's name as a package, if the file is not named so.
    """
    name = package or requirements.stem
    found = re.search(
        rf"^{re.escape(name)}==(\S+)$", requirements.read_text(), re.MULTILINE | re.IGNORECASE
    )
    assert found is not None, name
    return found[1]
