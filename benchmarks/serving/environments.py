"""Environments of the peers: made once, with pinned versions, beside the project's own."""

from __future__ import annotations

import re
import subprocess
import venv
from pathlib import Path

from benchmarks._rounds import HERE, BenchmarkError

FOLDER = HERE / ".peers"
"""Where they are kept between runs."""
REQUIREMENTS = Path(__file__).with_name("peers")
_INSTALLED = "installed.txt"


def environment_of(peer: str) -> Path:
    """The Python of a peer's environment, which is made if it is not there as it should be.

    Args:
        peer: Its name; `peers/NAME.txt` holds what it needs.

    Raises:
        BenchmarkError: Something cannot be installed.
    """
    requirements, folder = REQUIREMENTS / f"{peer}.txt", FOLDER / peer
    python, stamp = folder / "bin" / "python", folder / _INSTALLED
    wanted = requirements.read_text()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"Installing {peer} into {folder.relative_to(HERE)}: a minute or two, once.", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "--requirement", str(requirements)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(
            f"{peer} cannot be installed; leave it out with --servers, or look why:\n"
            f"{done.stderr.strip()[-2000:]}"
        )
    stamp.write_text(wanted)  # last, so that an interrupted installation is taken up again
    return python


def pinned(peer: str) -> str:
    """The version of a peer that is installed for it."""
    found = re.search(
        rf"^{peer}==(\S+)$",
        (REQUIREMENTS / f"{peer}.txt").read_text(),
        re.MULTILINE | re.IGNORECASE,
    )
    assert found is not None, peer
    return found[1]
