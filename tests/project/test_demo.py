"""The demonstration: how it begins."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_openmp_is_loaded_after_the_process_is_prepared() -> None:
    program = "import orchestration.demo, sys; print('sklearn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # Its threads would spin while they wait: training took several times as long beside others.
    assert done.stdout.strip() == "False"
