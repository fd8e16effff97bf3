"""The documents show the code of the project that `lockstep new` writes, as it stands."""

import re
from pathlib import Path

import pytest

import lockstep.templates

ROOT = Path(__file__).parents[2]
SHOWN = "\n".join((ROOT / name).read_text() for name in ("README.md", "docs/pipelines.md"))
FILES = Path(lockstep.templates.__file__).parent / "files"


def _laid_out_alike(code: str) -> str:
    """The code without its indentation."""
    return "\n".join(line.strip() for line in code.splitlines())


WRITTEN = _laid_out_alike("\n".join(path.read_text() for path in FILES.rglob("wine.py")))


@pytest.mark.parametrize("shown", re.findall(r"```python\n(.*?)```", SHOWN, re.DOTALL))
def test_code_in_the_documents_is_code_of_the_new_project(shown: str) -> None:
    for part in shown.split("\n\n\n"):
        assert _laid_out_alike(part).strip() in WRITTEN
