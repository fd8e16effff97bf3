"""Packages of one's own beside the project's: installed as a copy, editable, or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from lockstep.artifacts import distributions
from lockstep.artifacts.installation import is_installed

ROOT = Path(__file__).parents[3]
PIPELINE = '''"""Churn: who will leave?"""

import {name}.rates as rates

from lockstep import Floats, Key, Pipeline, Record, feature


class Customer(Record):
    customer: Key[str]
    paid: float


@feature
def fee(paid: Floats) -> Floats:
    """Euros."""
    return paid * rates.rate()


PIPELINE = Pipeline(__name__, record=Customer)
'''
PROGRAM = """
import importlib, os, site, sys
from pathlib import Path
import numpy as np
site.addsitedir(sys.argv[1])
from lockstep.artifacts.snapshot import Snapshot
from lockstep.errors import SnapshotError
from transforms.churn import PIPELINE, rates
def fee(pipeline):
    return pipeline.graph.evaluate({"paid": np.ones(1)}, ["fee"])["fee"][0]
assert fee(PIPELINE) == 2.0
try:
    Snapshot.of(PIPELINE, ["transforms"])
except SnapshotError as error:
    print("refused:", error)
else:
    print("installed")
if sys.argv[2:]:
    carried = Snapshot.of(PIPELINE, ["transforms", sys.argv[2]])
    Path(rates.__file__).write_text("def rate():\\n    return 3.0\\n")
    print("carried:", *carried.modules, fee(carried.load()))
"""
SETUP = "from setuptools import setup\nsetup(name='feeslib', version='1.0', {how})\n"
LAYOUTS = {
    "through a path": ("src/feeslib", "package_dir={'': 'src'}, packages=['feeslib']"),
    "through an import hook": ("lib", "package_dir={'feeslib': 'lib'}, packages=['feeslib']"),
}


def made(folder: Path, how: str, name: str = "feeslib") -> Path:
    """A project whose pipeline uses a package; the folder of the package's own repository."""
    transforms = folder / "project" / "transforms"
    transforms.mkdir(parents=True)
    (transforms / "__init__.py").touch()
    (transforms / "churn.py").write_text(PIPELINE.format(name=name))
    repository = folder / "repository"
    repository.mkdir()
    (repository / "setup.py").write_text(SETUP.format(how=how))
    return repository


def write_package(folder: Path) -> None:
    """The package, in a folder."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "rates.py").write_text("def rate():\n    return 2.0\n")


def installed(repository: Path, *options: str) -> Path:
    """The folder into which pip installs a repository."""
    prefix = repository.parent / "prefix"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    command = [*pip, "--no-build-isolation", f"--prefix={prefix}", *options, str(repository)]
    subprocess.run(command, check=True)
    return Path(sysconfig.get_path("purelib", vars={"base": str(prefix)}))


def told(folder: Path, site: Path, *package: str, path: Path | None = None) -> str:
    """What a snapshot of the pipeline says, which may carry a package too."""
    paths = (folder / "project", ROOT, *((path,) if path else ()))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(site), *package],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def by_hand(repository: Path, *files: str) -> Path:
    """A folder of installed packages as pip leaves it, with the records of these files."""
    site = repository.parent / "site"
    described = site / "feeslib-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: feeslib\nVersion: 1.0\n")
    (described / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    return site


def test_what_is_on_an_editable_packages_path_is_refused_unless_it_is_carried(
    tmp_path: Path,
) -> None:
    repository = made(tmp_path, "")
    write_package(repository / "src" / "feeslib")
    site = by_hand(repository, "feeslib.pth")
    (site / "feeslib.pth").write_text(f"{repository / 'src'}\n")
    facts = json.dumps({"dir_info": {"editable": True}, "url": repository.as_uri()})
    (site / "feeslib-1.0.dist-info" / "direct_url.json").write_text(facts)
    refused, carried = told(tmp_path, site, "feeslib").splitlines()
    assert "transforms.churn imports feeslib in line 3" in refused
    assert 'add packages = ["feeslib"]' in refused
    assert "without `-e`" in refused
    assert carried == "carried: feeslib feeslib.rates transforms transforms.churn 2.0"


def test_a_copy_is_installed_as_long_as_it_lies_beside_its_record(tmp_path: Path) -> None:
    repository = made(tmp_path, "")
    site = by_hand(repository, "feeslib/__init__.py", "feeslib/rates.py")
    write_package(site / "feeslib")
    assert told(tmp_path, site) == "installed\n"
    (site / "feeslib").rename(tmp_path / "checkout")
    (site / "feeslib").symlink_to(tmp_path / "checkout")
    assert "imports feeslib in line 3" in told(tmp_path, site)


@pytest.mark.long
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_editable_package_is_refused_unless_it_is_carried(layout: str, tmp_path: Path) -> None:
    place, how = LAYOUTS[layout]
    repository = made(tmp_path, how)
    write_package(repository / place)
    refused, carried = told(tmp_path, installed(repository, "-e"), "feeslib").splitlines()
    assert "transforms.churn imports feeslib in line 3" in refused
    assert carried == "carried: feeslib feeslib.rates transforms transforms.churn 2.0"


@pytest.mark.long
def test_an_editable_part_of_an_installed_namespace_is_refused(tmp_path: Path) -> None:
    how = "package_dir={'': 'src'}, packages=['acme.fees']"
    repository = made(tmp_path, how, "acme.fees")
    write_package(repository / "src" / "acme" / "fees")
    site = installed(repository, "-e")
    (site / "acme" / "other").mkdir(parents=True)
    (site / "acme" / "other" / "__init__.py").touch()
    (site / "other-1.dist-info").mkdir()
    (site / "other-1.dist-info" / "METADATA").write_text("Name: other\nVersion: 1\n")
    (site / "other-1.dist-info" / "RECORD").write_text("acme/other/__init__.py,,\n")
    assert "imports acme.fees in line 3" in told(tmp_path, site)


@pytest.mark.long
def test_a_copy_that_pip_installs_is_no_part_of_the_version(tmp_path: Path) -> None:
    repository = made(tmp_path, "packages=['feeslib']")
    write_package(repository / "feeslib")
    assert told(tmp_path, installed(repository)) == "installed\n"


def test_a_package_on_pythons_path_is_refused(tmp_path: Path) -> None:
    write_package(made(tmp_path, "") / "feeslib")
    (tmp_path / "repository" / "feeslib.egg-info").mkdir()  # as older installations leave it
    (tmp_path / "repository" / "feeslib.egg-info" / "SOURCES.txt").write_text("feeslib/rates.py\n")
    refused = told(tmp_path, tmp_path, path=tmp_path / "repository")
    assert "imports feeslib in line 3" in refused


def test_all_distributions_of_a_namespace_that_is_imported_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"acme": ["acme-core", "acme-fees"], "numpy": ["numpy"]}
    monkeypatch.setattr(distributions, "distributions", lambda: known)
    imported = distributions.imported_distributions({"churn": "import json, numpy, acme.fees"})
    assert imported == ("acme-core", "acme-fees", "numpy")


def test_a_compiled_module_is_installed_where_its_source_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    for source, expected in ((os.__file__, True), ("/checkout/feeslib/rates.py", False)):
        compiled = f"{tmp_path}{source.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
        assert is_installed(compiled, frozenset()) == expected
        assert is_installed(f"{compiled}.12345", frozenset()) == expected  # while it is written
