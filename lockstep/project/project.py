"""A project: a folder with `[tool.lockstep]` in its `pyproject.toml`, and the packages in it.

[tool.lockstep]
name = "flights"            # the name of its code location in Dagster; default: the folder's
home = ".lockstep"          # where everything is kept that is written; LOCKSTEP_HOME overrides it
data = "/mnt/lockstep"      # where data and inboxes are kept instead; LOCKSTEP_DATA overrides it
inbox = "s3://bucket/inbox" # its objects come into the inboxes, too; LOCKSTEP_INBOX overrides it
mlflow_tracking_uri = "http://mlflow:5000"  # the registry; MLFLOW_TRACKING_URI overrides it
dagster_home = "/srv/dagster"               # Dagster's instance; DAGSTER_HOME overrides it
transforms = "transforms"   # packages whose modules are pipelines, one file of one name in each
expectations = "expectations"
assets = "assets"
packages = ["measures"]     # further packages of the project's own, which its columns import
hosts = ["models.internal"] # names by which servers without a token are called, beside localhost
trusted = ["my_package.Winsorizer"]  # types that models may hold beside the library's, reviewed
workers = 2                 # processes for units of a large batch; LOCKSTEP_WORKERS overrides it
ray = "ray://head:10001"    # or a Ray cluster ("local": of this machine); LOCKSTEP_RAY overrides it

[tool.lockstep.alerts]      # who is told when a day is blocked, and the like: see docs/alerts.md
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from lockstep.columns.address import Address
from lockstep.columns.plain import did_you_mean
from lockstep.errors import DeclarationError, ProjectError
from lockstep.project.alerting import Alerting
from lockstep.project.home import Home
from lockstep.project.object_stores import StoreAddress

FILE = "pyproject.toml"
_SHARED = ("mlflow_tracking_uri", "dagster_home", "data", "inbox", "ray")
_RELATIVE = re.compile("sqlite:///([^/].*)")
_ROLES = ("transforms", "expectations", "assets")
_LISTS = ("packages", "trusted", "hosts")
_HOST = re.compile(r"[a-z0-9_.-]+")
"""A machine's name, as a header `Host` has it before the port."""
_NUMBERS = ("workers",)
_ATTRIBUTES = {"packages": "others", "home": "home_folder"}
"""The attributes of settings, where they have other names."""
_lock = threading.RLock()
_aside: dict[tuple[str, Path], ModuleType] = {}
"""Modules that were put aside, by name and file (or folder, for a package without one)."""


def enter(root: Path, packages: Iterable[str]) -> None:
    """Let imports find a project's packages; Python finds those that are not in its folder."""
    names = {package.partition(".")[0] for package in packages}
    with _lock:
        for name in [module for module in sys.modules if module.partition(".")[0] in names]:
            _put_aside(name, root)
        _put_first(root)
        _FINDER.root, _FINDER.names = root, names
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        for name, file in sorted(key for key in _aside if key[1].is_relative_to(root)):
            if name.partition(".")[0] in names and name not in sys.modules:
                _set(name, _aside.pop((name, file)))


def _put_first(root: Path) -> None:
    if sys.path[:1] != [str(root)]:
        sys.path[:] = [str(root), *(path for path in sys.path if path != str(root))]
        importlib.invalidate_caches()


def _put_aside(name: str, root: Path) -> None:
    module = sys.modules[name]
    own, place = _file(name, root), _place(module)
    if own is None or place is None or own == place:
        return
    if own.is_dir() and place.is_dir():
        return  # Python looks in all folders for a package without a file of its own
    _set(name, None)
    _aside[name, place] = module


def _place(module: ModuleType) -> Path | None:
    """A module's file; the first folder of a package without one."""
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return Path(file).resolve() if file is not None else None


def _file(name: str, root: Path) -> Path | None:
    """A project's file for the name of a module, or the folder of a package without one."""
    place = root.joinpath(*name.split("."))
    for file in (place / "__init__.py", place.with_name(f"{place.name}.py"), place):
        if file.exists():
            return file.resolve()
    return None


def _set(name: str, module: ModuleType | None) -> None:
    """Set or remove the module of a name, for `import a.b` and `from a import b`."""
    parent, _, last = name.rpartition(".")
    package = sys.modules.get(parent)
    if module is not None:
        sys.modules[name] = module
        if package is not None:
            setattr(package, last, module)
        return
    removed = sys.modules.pop(name, None)
    if package is not None and vars(package).get(last) is removed:
        delattr(package, last)


class _ProjectFinder(MetaPathFinder):
    """Finds a project's package without `__init__.py` before an installed one with it.

    By default Python prefers the one with it, wherever it lies.
    """

    root = Path()
    names: frozenset[str] | set[str] = frozenset()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or fullname not in self.names or not (self.root / fullname).is_dir():
            return None
        usual = PathFinder.find_spec(fullname)
        if usual is None or usual.origin is None or Path(usual.origin).is_relative_to(self.root):
            return None
        return PathFinder.find_spec(fullname, [str(self.root)])


_FINDER = _ProjectFinder()


@dataclass(frozen=True)
class Project:
    """A folder whose pipelines Lockstep runs.

    Attributes:
        root: The folder.
        name: Its name.
        transforms: Package of the pipelines' columns.
        expectations: Package of their suites.
        assets: Package of their sources.
        others: Further packages of the project's own.
        home_folder: The home, unless `LOCKSTEP_HOME` names another.
        data: The folder of data and inboxes, unless `LOCKSTEP_DATA` names another; None for the
            home.
        inbox: The address of a folder of an object store, unless `LOCKSTEP_INBOX` names another,
            whose objects come into the inboxes, too; None without one.
        trusted: Full names of types that models may hold beside the library's.
        hosts: Names by which servers without a token are called, beside this machine's addresses.
        mlflow_tracking_uri: MLflow's address, unless `MLFLOW_TRACKING_URI` names another; None for
            a store in the home.
        dagster_home: The folder of Dagster's instance, unless `DAGSTER_HOME` names another; None
            for one in the home.
        workers: Number of processes that work on the units of a large batch, unless
            `LOCKSTEP_WORKERS` says another.
        ray: The Ray cluster that works on them instead, unless `LOCKSTEP_RAY` names another; None
            without one.
        alerts: Who is told when something begins that a person has to look at.
    """

    root: Path
    name: str
    transforms: str = "transforms"
    expectations: str = "expectations"
    assets: str = "assets"
    others: tuple[str, ...] = ()
    home_folder: str = ".lockstep"
    data: str | None = None
    inbox: str | None = field(default=None, repr=False)
    trusted: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    mlflow_tracking_uri: str | None = field(default=None, repr=False)
    dagster_home: str | None = None
    workers: int = 1
    ray: str | None = None
    alerts: Alerting = field(default_factory=Alerting, hash=False)

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Find the project of a folder or file: in it, or in the nearest folder above.

        Args:
            start: The folder or file; the current folder by default.

        Raises:
            ProjectError: There is none, or its settings cannot be read.
        """
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            settings = _settings(folder / FILE)
            if settings is not None:
                return cls.read(folder, settings)
        raise ProjectError(
            f"There is no Lockstep project in {start} or above: no {FILE} there has a section "
            "[tool.lockstep]. Make one with `lockstep new NAME`, or go to its folder."
        )

    @classmethod
    def read(cls, root: Path, settings: Mapping[str, Any]) -> Project:
        """The project that a section `[tool.lockstep]` describes.

        Raises:
            ProjectError: It has an unknown name, or a value of the wrong kind.
        """
        known = ("name", "home", *_SHARED, *_ROLES, *_LISTS, *_NUMBERS, "alerts")
        where = f"{root / FILE}, [tool.lockstep]"
        for name, value in settings.items():
            if name not in known:
                hint = did_you_mean(name, known)
                raise ProjectError(
                    f"{where}: there is no setting {name!r}; there are {', '.join(known)}.{hint}"
                )
            if name in _LISTS:
                if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                    raise ProjectError(f"{where}: {name} is a list of names, not {value!r}.")
                wrong = [item for item in value if name == "hosts" and not _HOST.fullmatch(item)]
                if wrong:
                    raise ProjectError(
                        f"{where}: hosts has {wrong[0]!r}; give a name in small letters, without "
                        "scheme and port, such as 'models.internal'."
                    )
            elif name in _NUMBERS:
                if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                    raise ProjectError(f"{where}: {name} is a number from 1 on, not {value!r}.")
            elif name != "alerts" and (not isinstance(value, str) or not value):
                raise ProjectError(f"{where}: {name} is a text, not {value!r}.")
        given: dict[str, Any] = {
            _ATTRIBUTES.get(name, name): tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
        }
        given["alerts"] = Alerting.read(settings.get("alerts", {}), f"{where[:-1]}.alerts]")
        return cls(**{"root": root, "name": root.name, **given})

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of all of the project's own packages, whose code a version carries."""
        return tuple(dict.fromkeys((self.transforms, self.expectations, self.assets, *self.others)))

    @property
    def home(self) -> Home:
        """The home: `LOCKSTEP_HOME`, or else the folder that the settings name.

        Raises:
            ProjectError: `LOCKSTEP_HOME` is no folder and cannot be made; `LOCKSTEP_WORKERS` is no
                number of processes; or the inbox is no address of a store, or holds a password.
        """
        named, shared = os.environ.get("LOCKSTEP_HOME"), os.environ.get("LOCKSTEP_DATA")
        folder = Path(named) if named else self.root / self.home_folder
        if named:
            _demand_home(folder.resolve())
        data = Path(shared) if shared else self.root / self.data if self.data else None
        instance = self.dagster_home
        return Home(
            folder.resolve(),
            trusted=self.trusted,
            mlflow_tracking_uri=self._registry,
            dagster_home=None if instance is None else self.root / instance,
            workers=self._workers,
            ray=os.environ.get("LOCKSTEP_RAY") or self.ray,
            shared=None if data is None else data.resolve(),
            deliveries=self._deliveries,
        )

    @property
    def _deliveries(self) -> str | None:
        named = os.environ.get("LOCKSTEP_INBOX")
        address, where = (
            (named, "LOCKSTEP_INBOX")
            if named
            else (self.inbox, f"{self.root / FILE}, [tool.lockstep]: inbox")
        )
        if address is not None and "://" not in address:
            raise ProjectError(
                f"{where} is {Address(address)}, no address such as 's3://bucket/inbox'. Files of "
                "this machine are dropped into the home's own inbox."
            )
        try:
            return None if address is None else StoreAddress(address).address
        except DeclarationError as error:
            raise ProjectError(f"{where}: {error}") from error

    @property
    def _workers(self) -> int:
        """Number of processes: `LOCKSTEP_WORKERS`, or else the settings'."""
        named = os.environ.get("LOCKSTEP_WORKERS")
        if not named:
            return self.workers
        if not named.isdecimal() or int(named) < 1:
            raise ProjectError(f"LOCKSTEP_WORKERS is a number from 1 on, not {named!r}.")
        return int(named)

    @property
    def _registry(self) -> str | None:
        """MLflow's address by the settings; the file of a database is in the project's folder."""
        file = _RELATIVE.match(self.mlflow_tracking_uri or "")
        return f"sqlite:///{self.root / file[1]}" if file else self.mlflow_tracking_uri

    def pipeline_names(self) -> list[str]:
        """Names of the pipelines, by the files in the package of their sources, without imports.

        An installed package outside the project's folder is not searched.
        """
        folder = self.root.joinpath(*self.assets.split("."))
        names = (module.name for module in pkgutil.iter_modules([str(folder)]))
        return sorted(name for name in names if not name.startswith("_"))

    def activate(self) -> None:
        """Let Python import the project's packages before others of their names."""
        enter(self.root, self.packages)


def _demand_home(folder: Path) -> None:
    """Check that a home is there or can be made; nothing is left of the trial."""
    try:
        if folder.is_dir():
            return
        above = next(each for each in (folder, *folder.parents) if each.exists())
        Path(tempfile.mkdtemp(prefix=".lockstep-", dir=above)).rmdir()
    except OSError as error:
        raise ProjectError(
            f"LOCKSTEP_HOME is {str(folder)!r}, and no folder can be there ({error.strerror}); set "
            "it to one that is there or can be made, or leave it out."
        ) from error


def _settings(path: Path) -> Mapping[str, Any] | None:
    """The section `[tool.lockstep]` of a file; None if there is none."""
    if not path.is_file():
        return None
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} cannot be read: {error}.") from error
    settings = document.get("tool", {}).get("lockstep")
    return settings if isinstance(settings, dict) else None
