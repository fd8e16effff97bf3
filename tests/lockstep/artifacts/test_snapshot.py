"""Snapshots: the source of a pipeline, collected and run again."""

from __future__ import annotations

import gc
import inspect
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from lockstep.artifacts.closure import fit_environment
from lockstep.artifacts.snapshot import Snapshot, unload
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.records import Record
from lockstep.errors import SnapshotError
from tests.fixtures.tumours import CHECKOUT, PACKAGES

SNAPSHOT_OF_INSTALLED = """
import sys
from transforms import tumour
from lockstep.artifacts.snapshot import Snapshot
from lockstep.errors import SnapshotError
assert "site-packages" in tumour.__file__
try:
    Snapshot.of(tumour.PIPELINE, ("transforms",))
except SnapshotError as error:
    print(error)
snapshot = Snapshot.of(tumour.PIPELINE, ("transforms", "measures"))
del sys.modules["transforms.tumour"], sys.modules["measures"]
sys.path.remove(tumour.__file__.rpartition("/transforms/")[0])
assert snapshot.load().graph.features[0] == "radius_mm"
print(*snapshot.modules)
"""

Checkout = Callable[..., AbstractContextManager[ModuleType]]


def snapshot_of(make_checkout: Checkout, name: str, edits: Any = None) -> Snapshot:
    with make_checkout(name, edits) as module:
        return Snapshot.of(module.PIPELINE, PACKAGES)


# Which modules belong to it


def test_it_holds_the_pipelines_module_and_all_of_the_users_that_it_imports(
    make_checkout: Checkout,
) -> None:
    snapshot = snapshot_of(make_checkout, "one")
    assert list(snapshot.modules) == [
        "measures",
        "measures.shape",
        "transforms.bounds",
        "transforms.seasons",
        "transforms.tumour",
        "transforms.units",
    ]


def test_it_holds_no_module_of_lockstep_itself(make_checkout: Checkout) -> None:
    edits = {"transforms/units.py": ("from lockstep import", "from lockstep.columns.kinds import")}
    snapshot = snapshot_of(make_checkout, "one", edits)
    assert not [name for name in snapshot.modules if name.startswith("lockstep")]


def test_it_holds_a_module_that_only_a_function_imports(make_checkout: Checkout) -> None:
    late = "def late():\n    import measures.shape\n\n\nLARGE_AREA"
    snapshot = snapshot_of(make_checkout, "one", {"transforms/bounds.py": ("LARGE_AREA", late)})
    assert "measures.shape" in snapshot.modules


def test_it_holds_nothing_that_is_installed(make_checkout: Checkout) -> None:
    tops = {name.partition(".")[0] for name in snapshot_of(make_checkout, "one").modules}
    assert tops == {"measures", "transforms"}


def test_a_package_that_is_neither_installed_nor_the_projects_is_refused(
    make_checkout: Checkout,
) -> None:
    with (
        make_checkout("one") as module,
        pytest.raises(SnapshotError, match=r'tumour imports measures .*packages = \["measures"\]'),
    ):
        Snapshot.of(module.PIPELINE)


def wheel_of(checkout: Path, folder: Path) -> Path:
    """A project's packages as a wheel."""
    path = folder / "tumours-1-py3-none-any.whl"
    facts = {
        "METADATA": "Metadata-Version: 2.1\nName: tumours\nVersion: 1\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with ZipFile(path, "w") as wheel:
        for file in checkout.rglob("*.py"):
            wheel.write(file, file.relative_to(checkout))
        for name, text in facts.items():
            wheel.writestr(f"tumours-1.dist-info/{name}", text)
    return path


def test_packages_of_the_project_that_are_installed_are_carried_or_refused(
    tmp_path: Path,
) -> None:
    """In a process that sees the project nowhere but installed by pip in site-packages."""
    site = tmp_path / "site-packages"
    wheel = wheel_of(CHECKOUT, tmp_path)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", SNAPSHOT_OF_INSTALLED],
        env=os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{Path(__file__).parents[3]}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    refused, carried = done.stdout.splitlines()
    assert 'add packages = ["measures"]' in refused
    modules = "measures measures.shape transforms.bounds transforms.seasons transforms.tumour"
    assert carried.split() == [*modules.split(), "transforms.units"], done.stderr


def test_a_pipeline_may_live_outside_of_transforms(
    make_checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_checkout("one"):
        directory = tmp_path / "one" / "clinic"
        directory.mkdir()
        source = (tmp_path / "one" / "transforms" / "tumour.py").read_text()
        (directory / "triage.py").write_text(
            source.replace("from .bounds", "from transforms.bounds")
        )
        triage = __import__("clinic.triage", fromlist=["PIPELINE"])
        snapshot = Snapshot.of(triage.PIPELINE, PACKAGES)
        assert "clinic.triage" in snapshot.modules
        assert snapshot.load().name == "triage"


def test_a_pipeline_without_a_file_is_refused() -> None:
    module = ModuleType("made_in_memory")
    exec(  # as a notebook would
        "from lockstep import Key, Record\nclass Row(Record):\n    key: Key[str]\n",
        vars(module),
    )
    sys.modules["made_in_memory"] = module
    try:
        row: type[Record] = module.Row
        pipeline = Pipeline("made_in_memory", record=row)
        with pytest.raises(SnapshotError, match="Move it to a module of its own"):
            Snapshot.of(pipeline)
    finally:
        del sys.modules["made_in_memory"]


def test_a_file_edited_since_it_was_imported_is_refused(
    make_checkout: Checkout, tmp_path: Path
) -> None:
    with make_checkout("one") as module:
        units = tmp_path / "one" / "transforms" / "units.py"
        units.write_text(
            units.read_text().replace("micrometres / MICROMETRES", "micrometres / 1e6")
        )
        with pytest.raises(SnapshotError, match=r"transforms\.units\.to_millimetres .* edited"):
            Snapshot.of(module.PIPELINE, PACKAGES)


# Its digest


def test_the_same_source_has_the_same_digest_wherever_it_lies(make_checkout: Checkout) -> None:
    assert snapshot_of(make_checkout, "one").digest == snapshot_of(make_checkout, "another").digest


def test_a_form_feed_stays_where_it_is(make_checkout: Checkout) -> None:
    edits = {"transforms/units.py": ("MICROMETRES = ", 'PAGE = "a\x0cb"\n\x0c\nMICROMETRES = ')}
    snapshot = snapshot_of(make_checkout, "one", edits)
    assert 'PAGE = "a\x0cb"\n\x0c\n' in snapshot.modules["transforms.units"]
    assert snapshot.load().name == "tumour"


def test_line_ends_do_not_matter_to_the_digest(make_checkout: Checkout, tmp_path: Path) -> None:
    plain = snapshot_of(make_checkout, "one")
    windows = snapshot_of(make_checkout, "two", {"transforms/bounds.py": ("\n", "\r\n")})
    assert windows.digest == plain.digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("transforms/tumour.py", "probability >= 0.5", "probability >= 0.4"),
        ("transforms/units.py", "1000.0", "1e6"),
        ("measures/shape.py", "radius**2", "radius**3"),
        ("measures/__init__.py", "share", "have in common"),
    ],
)
def test_a_change_in_any_module_changes_the_digest(
    make_checkout: Checkout, file: str, old: str, new: str
) -> None:
    changed = snapshot_of(make_checkout, "two", {file: (old, new)})
    assert changed.digest != snapshot_of(make_checkout, "one").digest


# Running it


def test_it_computes_what_the_pipeline_computes(tumour: Any) -> None:
    fitted, table = tumour.pipeline, tumour.records
    loaded = tumour.source.load().with_models(fitted.models_)
    pd.testing.assert_frame_equal(loaded.predict(table), fitted.predict(table), check_exact=True)


def test_it_runs_without_the_checkout(make_checkout: Checkout) -> None:
    snapshot = snapshot_of(make_checkout, "one")
    assert not {"transforms.tumour", "measures"} & set(sys.modules)
    assert snapshot.load().graph.features[0] == "radius_mm"


def test_two_snapshots_with_different_code_answer_differently_in_one_process(
    make_checkout: Checkout,
) -> None:
    edits = {"transforms/units.py": ("1000.0", "500.0")}
    before = snapshot_of(make_checkout, "one").load()
    after = snapshot_of(make_checkout, "two", edits).load()
    radius = {"radius": np.array([1000.0])}
    assert before.graph.evaluate(radius, ["radius_mm"])["radius_mm"] == 1.0
    assert after.graph.evaluate(radius, ["radius_mm"])["radius_mm"] == 2.0


def test_it_keeps_its_code_when_the_checkout_holds_another(make_checkout: Checkout) -> None:
    snapshot = snapshot_of(make_checkout, "one")
    with make_checkout("two", {"transforms/units.py": ("1000.0", "500.0")}):
        columns = snapshot.load().graph.evaluate({"radius": np.array([1000.0])}, ["radius_mm"])
    assert columns["radius_mm"] == 1.0


def test_a_module_that_only_a_function_imports_is_none_that_the_environment_needs_run(
    make_checkout: Checkout, tumour: Any
) -> None:
    late = "LARGE_AREA = 700.0\n\n\ndef bound():\n    from .bounds import LARGE_AREA as area\n"
    edits = {"transforms/tumour.py": ("from .bounds import LARGE_AREA", late)}
    snapshot = snapshot_of(make_checkout, "one", edits)
    assert "transforms.bounds" in snapshot.modules
    closure = fit_environment(snapshot, tumour.golden).closure
    assert closure is not None
    assert not closure.packages


def test_the_pipeline_keeps_its_name(tumour: Any) -> None:
    assert tumour.source.load().name == "tumour"


def test_functions_of_a_snapshot_have_their_source(tumour: Any) -> None:
    column = tumour.source.load().graph.columns["is_large"]
    assert "area > LARGE_AREA" in inspect.getsource(column.function)
    assert column.location.startswith("transforms/tumour.py:")


def test_the_snapshot_of_a_loaded_pipeline_is_itself(tumour: Any) -> None:
    assert Snapshot.of(tumour.source.load()) is tumour.source


# Forgetting it


def test_nothing_holds_a_pipeline_that_was_unloaded(tumour: Any) -> None:
    before = (set(sys.modules), list(sys.meta_path))
    pipeline = tumour.source.load().with_models(tumour.pipeline.models_)
    pipeline.predict(tumour.records.head(3))
    inspect.getsource(pipeline.graph.columns["is_large"].function)
    module = sys.modules[pipeline.module]
    watched = [weakref.ref(each) for each in (pipeline, pipeline.graph, module, module.Sample)]
    unload(pipeline)
    assert (set(sys.modules), list(sys.meta_path)) == before
    del pipeline, module
    gc.collect()
    assert [each() for each in watched] == [None] * 4


def test_another_pipeline_of_the_same_code_goes_on(tumour: Any) -> None:
    gone, stays = tumour.source.load(), tumour.source.load()
    unload(gone)
    late = sys.modules[stays.module]
    exec("def late():\n    from measures.shape import roundness\n    return roundness", vars(late))
    assert late.late()(1.0, 2.0) > 0
    unload(stays)


def test_a_pipeline_of_the_checkout_is_left_alone(make_checkout: Checkout) -> None:
    with make_checkout("one") as module:
        unload(module.PIPELINE)
        assert "transforms.tumour" in sys.modules


def test_source_that_does_not_run_leaves_nothing_behind() -> None:
    before = (set(sys.modules), list(sys.meta_path))
    with pytest.raises(SnapshotError):
        Snapshot("transforms.bad", {"transforms.bad": "raise OSError('no such table')\n"}).load()
    assert (set(sys.modules), list(sys.meta_path)) == before


def test_source_that_raises_is_told(tumour: Any) -> None:
    modules = {"transforms.bad": "raise OSError('no such table')\n"}
    with pytest.raises(SnapshotError, match=r"transforms\.bad .* OSError: no such table"):
        Snapshot("transforms.bad", modules).load()


def test_source_without_a_pipeline_is_told() -> None:
    with pytest.raises(SnapshotError, match="defines no pipelines"):
        Snapshot("transforms.empty", {"transforms.empty": "X = 1\n"}).load()


def test_a_module_of_the_checkout_that_it_does_not_hold_is_out_of_its_reach(
    make_checkout: Checkout,
) -> None:
    with make_checkout("one"):
        stray = Snapshot("transforms.stray", {"transforms.stray": "from transforms import units\n"})
        with pytest.raises(SnapshotError, match="units"):
            stray.load()


def test_its_parts_are_plain_text(tumour: Any) -> None:
    assert json.loads(json.dumps(dict(tumour.source.modules)))
