"""Addresses of a home's pages: what `lockstep up` serves, or served last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lockstep.artifacts.disks import replace_text

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Addresses:
    """The pages of a home.

    Attributes:
        dagster: Dagster's UI.
        mlflow: MLflow's UI.
        servers: The servers of pipelines, by pipeline.
        overview: The page for all pipelines.
    """

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


def write_addresses(home: Path, addresses: Addresses) -> None:
    """Write down the addresses of a home."""
    stored = {"home": str(home), **asdict(addresses)}
    replace_text(_file(home), json.dumps(stored, indent=1) + "\n")


def read_addresses(home: Path) -> Addresses | None:
    """The addresses at which a home is, or was last, served; None if it never was.

    Those in a copied home are of the original, and do not count.
    """
    file = _file(home)
    if not file.exists():
        return None
    stored = json.loads(file.read_text(encoding="utf-8"))
    own = stored.pop("home") == str(home)
    return Addresses(**stored) if own else None


def _file(home: Path) -> Path:
    return home / "up.json"
