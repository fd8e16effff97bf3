"""The documents show the code of the project that `lockstep new` writes, as it stands.

Other blocks of Python, TOML and JSON can be read as such.
"""

import ast
import json
import re
import tomllib
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


BLOCKS = [
    (path.name, *block)
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    for block in re.findall(r"^```(python|toml|json)\n(.*?)^```", path.read_text(), re.M | re.S)
]


@pytest.mark.parametrize(("page", "language", "block"), BLOCKS)
def test_a_block_is_what_it_is_said_to_be(page: str, language: str, block: str) -> None:
    read = {"python": ast.parse, "toml": tomllib.loads, "json": json.loads}[language]
    read(block.replace("...", "0") if language == "json" else block)
