"""What a version asks to have installed is what its sources import."""

from importlib.metadata import version

import pytest

from lockstep.registry.mlmodel import requirements

PLACES = (
    "import pandas.api",
    "from pandas.api import types",
    "def inner():\n    import pandas",
    "class Inner:\n    async def inner(self):\n        import pandas",
    "if True:\n    pass\nelse:\n    import pandas",
    "try:\n    pass\nexcept ValueError:\n    import pandas",
    "try:\n    pass\nfinally:\n    with open('a'):\n        import pandas",
    "for one in ():\n    pass\nelse:\n    while False:\n        import pandas",
    "match 1:\n    case 1:\n        import pandas",
)


@pytest.mark.parametrize("source", PLACES)
def test_an_import_is_found_wherever_it_stands(source: str) -> None:
    found = requirements({"ours": source})

    assert found == [f"mlflow=={version('mlflow')}", f"pandas=={version('pandas')}"]


def test_what_the_sources_bring_along_is_not_required() -> None:
    found = requirements({"ours.inner": "import ours\nfrom . import pandas\nimport json"})

    assert found == [f"mlflow=={version('mlflow')}"]
