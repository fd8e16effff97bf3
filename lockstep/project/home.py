"""The home: the folder of everything that Lockstep writes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.columns.address import Address
from lockstep.project.object_stores import StoreAddress
from lockstep.store.disks import make_folder
from lockstep.store.state_files import state_or, write_state

if TYPE_CHECKING:
    from lockstep.registry.registry import Registry


@dataclass(frozen=True)
class Home:
    """The folders and files of a home.

    Attributes:
        path: The folder; made at the first write.
        mlflow_tracking_uri: MLflow's address in the project's settings, if they name one.
        dagster_home: The folder of Dagster's instance there, likewise.
        workers: Number of processes that work on the units of a large batch; 1 is the run's own.
        ray: The Ray cluster that works on them instead, as `ray.init` takes it, if there is one.
        shared: The folder of data and inboxes, where it is another one, which machines may share.
        deliveries: The address of a folder of an object store, with a folder for each pipeline
            whose objects come into its inbox; None without one.
    """

    path: Path
    trusted: tuple[str, ...] = ()
    mlflow_tracking_uri: str | None = field(default=None, repr=False)
    dagster_home: Path | None = None
    workers: int = 1
    ray: str | None = None
    shared: Path | None = None
    deliveries: str | None = field(default=None, repr=False)

    def prepare(self) -> None:
        """Make the folders that hold rows, open to nobody but their owner.

        Those that exist stay as they are, and a shared folder is as its owner made it. What is
        written in a folder is private if that is, and otherwise as the umask says.
        """
        for folder in (self.cache, self.data, self.mlflow, self.dagster):
            if folder.is_relative_to(self.path):
                make_folder(folder, private=True)

    @property
    def dagster(self) -> Path:
        """Dagster's instance: `DAGSTER_HOME`, the settings' folder, or else one of its own."""
        named = os.environ.get("DAGSTER_HOME") or self.dagster_home
        return Path(named).resolve() if named else self.path / "dagster"

    @property
    def workspace(self) -> Path:
        """The file that names the code location to Dagster, of a project that has none itself."""
        return self.path / "dagster" / "workspace.yaml"

    @property
    def mlflow(self) -> Path:
        """MLflow's own store: its database and artifacts."""
        return self.path / "mlflow"

    @property
    def data(self) -> Path:
        """The data of assets, a folder for each pipeline."""
        return (self.shared or self.path) / "data"

    @property
    def cache(self) -> Path:
        """Files that can be made again at any time."""
        return self.path / "cache"

    @property
    def fetched(self) -> Path:
        """Files of object stores, as long as they are read."""
        return self.cache / "fetched"

    @property
    def served(self) -> Path:
        """The file that `lockstep up` locks while it serves the home."""
        return self.path / "up.lock"

    @property
    def logs(self) -> Path:
        """The logs of what `lockstep up` starts."""
        return self.path / "logs"

    def server_log(self, pipeline: str) -> Path:
        """The log of a pipeline's server."""
        return self.logs / f"serve-{pipeline}.log"

    def live(self, pipeline: str) -> Path:
        """The file that names the live version of a pipeline."""
        return self.path / "live" / f"{pipeline}.json"

    def listing(self, pipeline: str) -> Path:
        """The file that lists the versions that a server may use beside the live one."""
        return self.path / "listed" / f"{pipeline}.json"

    @property
    def known(self) -> Path:
        """The folder of the files that say which bytes each number of a version means here."""
        return self.path / "known"

    def inbox(self, pipeline: str) -> Path:
        """The folder for files to score."""
        return (self.shared or self.path) / "inbox" / pipeline

    def delivered(self, pipeline: str) -> StoreAddress | None:
        """The folder of an object store for files to score; None without one."""
        return None if self.deliveries is None else StoreAddress(self.deliveries).below(pipeline)

    def requests(self, pipeline: str) -> Path:
        """The folder of the log of requests that a pipeline answered."""
        return self.data / pipeline / "requests" / "segments"

    def replayed(self, pipeline: str) -> Path:
        """The folder that has a record for each segment of that log that was replayed."""
        return self.data / pipeline / "requests" / "records"

    @property
    def tracking_uri(self) -> Address:
        """MLflow's address: `MLFLOW_TRACKING_URI`, the settings', or else an embedded store."""
        named = os.environ.get("MLFLOW_TRACKING_URI") or self.mlflow_tracking_uri
        # Only the characters with a meaning to SQLAlchemy are quoted: MLflow also makes the folder
        # of the unquoted address.
        file = str(self.mlflow / "mlflow.db").replace("%", "%25").replace("?", "%3F")
        return Address(named or f"sqlite:///{file}")

    @property
    def addresses(self) -> Addresses:
        """The addresses of Dagster and MLflow for a browser."""
        local = read_addresses(self.path) or Addresses.local()
        uri = self.tracking_uri
        return replace(local, mlflow=uri.link) if uri.is_http else local

    @property
    def was_served(self) -> bool:
        """Whether `lockstep up` has ever served its pages: their addresses are known since."""
        return read_addresses(self.path) is not None

    def registry(self) -> Registry:
        """The registry of versions: the embedded store, or what environment or settings name."""
        from lockstep.registry.registry import Registry

        return Registry(
            self.tracking_uri,
            artifact_root=self.mlflow / "artifacts",
            cache=self.cache / "versions",
            trusted=self.trusted,
            page=self.addresses.overview if self.was_served else None,
            known=self.known,
        )


_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Addresses:
    """The pages of a home."""

    dagster: str
    mlflow: str
    servers: Mapping[str, str] = field(default_factory=dict)
    overview: str = f"http://{_HOST}:4000"

    @classmethod
    def local(
        cls,
        dagster: int = 3000,
        mlflow: int = 5000,
        servers: Mapping[str, int] | None = None,
        overview: int = 4000,
    ) -> Addresses:
        """Pages served on this machine, by their ports."""
        return cls(
            f"http://{_HOST}:{dagster}",
            f"http://{_HOST}:{mlflow}",
            {name: f"http://{_HOST}:{port}" for name, port in (servers or {}).items()},
            f"http://{_HOST}:{overview}",
        )


@dataclass(frozen=True, kw_only=True)
class _Served(Addresses):
    """The addresses of a home, and which one it is."""

    home: str


def write_addresses(home: Path, addresses: Addresses) -> None:
    """Write down the addresses of a home."""
    write_state(_file(home), _Served(**asdict(addresses), home=str(home)))


def read_addresses(home: Path) -> Addresses | None:
    """The addresses at which a home is, or was last, served; None if it never was.

    Those in a copied home are of the original, and do not count; nor do those in a damaged file,
    which `lockstep up` writes anew.
    """
    served = state_or(_file(home), _Served, None)
    if served is None or served.home != str(home):
        return None
    return Addresses(served.dagster, served.mlflow, served.servers, served.overview)


def _file(home: Path) -> Path:
    return home / "up.json"
