"""What is written from the code, in docs/, is what would be written of the code as it stands."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def writer(name: str) -> ModuleType:
    """The script in docs/ that writes the page of its name."""
    spec = spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "page"), [("reference", "reference"), ("checks", "checks_page")])
def test_a_page_tells_of_the_code_as_it_stands(name: str, page: str) -> None:
    written = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert written == getattr(writer(name), page)(), f"write it anew: python docs/{name}.py"
