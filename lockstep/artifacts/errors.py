"""What can go wrong with versions, as a tree.

LockstepError
└── RegistryError                   the registry refused, or a version cannot be used
    ├── RegistryUnreachableError    it does not answer
    ├── VersionNotFoundError        it has no such version
    ├── AliasNotSetError            it has the model, but the alias points nowhere
    ├── SnapshotError               a pipeline's source cannot be collected or run
    ├── UntrustedTypeError          a fitted model holds a type that is not allowed
    └── ArtifactError               a version's files are damaged, missing or not ours
"""

from __future__ import annotations

from collections.abc import Iterable

from lockstep.columns.errors import LockstepError


class RegistryError(LockstepError):
    """The registry refused what it was asked, or a version cannot be used."""


class RegistryUnreachableError(RegistryError):
    """The registry does not answer, after a few attempts.

    Attributes:
        uri: Where it was looked for.
    """

    def __init__(self, uri: str, cause: object) -> None:
        super().__init__(
            f"The registry at {uri} does not answer ({_first_line(cause)}). Check that it is "
            "running and that this address is right, then try again."
        )
        self.uri = uri


class VersionNotFoundError(RegistryError):
    """The registry has no such version.

    Attributes:
        name: Name of the model.
        version: The version that was asked for.
        existing: The versions that there are, oldest first.
    """

    def __init__(self, name: str, version: object, existing: Iterable[int]) -> None:
        self.name, self.version, self.existing = name, version, tuple(existing)
        numbers = ", ".join(map(str, self.existing))
        super().__init__(
            f"The registry has no version {version} of {name}; "
            + (f"it has {numbers}." if numbers else f"it has none yet: train {name} first.")
        )


class AliasNotSetError(RegistryError):
    """An alias of a model points to no version.

    Attributes:
        name: Name of the model.
        alias: The alias, without the `@`.
        existing: The versions that there are, oldest first.
    """

    def __init__(self, name: str, alias: str, existing: Iterable[int]) -> None:
        self.name, self.alias, self.existing = name, alias, tuple(existing)
        numbers = ", ".join(map(str, self.existing))
        super().__init__(
            f"{name} has no @{alias}. "
            + (
                f"Set it to one of its versions: {numbers}."
                if numbers
                else f"It has no version yet either: train {name} first."
            )
        )


class SnapshotError(RegistryError):
    """The source of a pipeline cannot be collected, or does not run by itself."""


class UntrustedTypeError(RegistryError):
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


class ArtifactError(RegistryError):
    """The files of a version are damaged, missing, or were not written by Lockstep."""


def _first_line(cause: object) -> str:
    lines = str(cause).strip().splitlines()
    return lines[0][:300] if lines else type(cause).__name__
