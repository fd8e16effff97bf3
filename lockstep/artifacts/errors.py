"""What can go wrong with the files of versions, as a tree.

LockstepError
└── ArtifactError              a version cannot be stored or used
    ├── FormatError            an older or newer Lockstep wrote it
    ├── UnavailableFilesError  its files cannot be read now; another try may work
    ├── SnapshotError          a pipeline's source cannot be collected or run
    ├── UntrustedTypeError     a fitted model holds a type that is not allowed
    └── NotLiveError           no version of a pipeline is live yet
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lockstep.columns.errors import LockstepError


class ArtifactError(LockstepError):
    """A version cannot be stored, or its files are damaged, missing or not Lockstep's."""


class FormatError(ArtifactError):
    """The files of a version are of another format than this Lockstep reads.

    Attributes:
        path: The manifest.
        format: Its format.
    """

    def __init__(self, path: Path, format: object, readable: int, pipeline: str | None) -> None:
        self.path, self.format = path, format
        is_older = isinstance(format, int) and format < readable
        again = f": lockstep train {pipeline}" if pipeline else ""
        super().__init__(
            f"{path} has format {format}, and this Lockstep reads format {readable}: "
            + (f"train again{again}." if is_older else "use the Lockstep that wrote it.")
        )


class UnavailableFilesError(ArtifactError):
    """The system fails to read a file of a version, which is there: a disk or a network drive."""


class SnapshotError(ArtifactError):
    """The source of a pipeline cannot be collected, or does not run by itself."""


class UntrustedTypeError(ArtifactError):
    """A fitted model holds a type that the allow-list does not name.

    Attributes:
        column: The model's column.
        types: Full names of the types.
    """

    def __init__(self, column: str, types: Iterable[str]) -> None:
        self.column, self.types = column, tuple(types)
        super().__init__(
            f"Model {column} holds {', '.join(self.types)}, which may not be stored or loaded. "
            "Use an estimator of scikit-learn's; compute in a @feature what a function or "
            "transformer of your own does; or, having reviewed the type, add it to "
            "lockstep/artifacts/trusted.py."
        )


class NotLiveError(ArtifactError):
    """No version of a pipeline is live yet.

    Attributes:
        path: The file that would say which one is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"No version of {path.stem} is live: there is no {path}. Train one and promote it: "
            f"lockstep train {path.stem}, then lockstep promote {path.stem}."
        )
