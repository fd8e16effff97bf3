"""The registry: fitted pipelines as versions in MLflow, each with the code that it was fitted with.

The only package that knows MLflow, which it imports at the first use of a registry.
"""

from registry._artifact import Artifact
from registry._errors import (
    AliasNotSetError,
    ArtifactError,
    RegistryError,
    RegistryUnreachableError,
    SnapshotError,
    UntrustedTypeError,
    VersionNotFoundError,
)
from registry._new_process import replay_in_new_process
from registry._registry import Registry
from registry._snapshot import Snapshot
from registry._version import LoadedVersion, Version

__all__ = [
    "AliasNotSetError",
    "Artifact",
    "ArtifactError",
    "LoadedVersion",
    "Registry",
    "RegistryError",
    "RegistryUnreachableError",
    "Snapshot",
    "SnapshotError",
    "UntrustedTypeError",
    "Version",
    "VersionNotFoundError",
    "replay_in_new_process",
]
