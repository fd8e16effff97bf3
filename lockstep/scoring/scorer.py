"""The scorer: the version that carried out a step of an attempt, with the same files."""

from __future__ import annotations

from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import ArtifactError
from lockstep.registry.registry import Registry
from lockstep.store.attempts import Attempt


def load_scorer(registry: Registry, name: str, attempt: Attempt, step: str) -> LoadedVersion:
    """Load the version that carried out a step.

    The number alone does not identify it: a registry restored from an older copy gives numbers
    again.

    Raises:
        ArtifactError: The registry has another version of that number, or it cannot be used.
        RegistryError: The registry has no version of that number, or does not answer.
    """
    done = attempt.record.steps[step]
    assert done.version is not None, "a version scores"
    loaded = registry.load(name, done.version)
    if loaded.digest != done.manifest:
        raise ArtifactError(
            f"Version {done.version} of {name} in the registry is another one than version "
            f"{done.version} that scored {attempt.record.partition}: the registry was restored "
            "from an older copy, or emptied, and has given the number again. Restore the registry "
            f"from before, or score anew: {attempt.again}"
        )
    return loaded
