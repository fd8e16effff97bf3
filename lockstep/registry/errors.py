"""What can go wrong with the registry, as a tree.

LockstepError
└── RegistryError                   the registry refused what it was asked
    ├── RegistryUnreachableError    it does not answer
    ├── VersionNotFoundError        it has no such version
    ├── AliasNotSetError            it has the model, but the alias points nowhere
    └── FetchError                  the files of a version did not all arrive
"""

from __future__ import annotations

from collections.abc import Iterable

from lockstep.columns.errors import LockstepError


class RegistryError(LockstepError):
    """The registry refused what it was asked."""


class RegistryUnreachableError(RegistryError):
    """The registry does not answer, after a few attempts.

    Attributes:
        uri: Where it was looked for.
    """

    def __init__(self, uri: str, cause: object) -> None:
        super().__init__(
            f"The registry at {uri} cannot be opened or written to ({_first_line(cause)}). Make "
            "room, if its disk is full; see that this user may read and write that file and its "
            "folder; then try again."
            if uri.startswith("sqlite:")
            else f"The registry at {uri} does not answer ({_first_line(cause)}). Check that it is "
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
            + (
                f"it has {numbers}."
                if numbers
                else f"it has none yet; train one: lockstep train {name}"
            )
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
                f"Promote one of its versions ({numbers}): lockstep promote {name} VERSION"
                if numbers
                else f"It has no version yet either; train one: lockstep train {name}"
            )
        )


class FetchError(RegistryError):
    """The files of a version did not all arrive; nothing of them was kept.

    Attributes:
        name: Name of the model.
        version: The version.
    """

    def __init__(self, name: str, version: int, cause: object) -> None:
        self.name, self.version = name, version
        told = " ".join(str(cause).split())
        super().__init__(
            f"The files of version {version} of {name} did not all arrive, and nothing of them "
            f"was kept: try again. {told[:600]}{'…' * (len(told) > 600)}"
        )


def _first_line(cause: object) -> str:
    lines = str(cause).strip().splitlines()
    return lines[0][:300] if lines else type(cause).__name__
