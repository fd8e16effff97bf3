"""State of modules: the containers at their top level and in their classes, which functions fill.

A function may keep what it computed for a part of its inputs, and give it to the next row that
shares this part. Whatever order rows come in, one of three that share it may look right in another
one, too. So where a container grew, each row is computed with the containers as they were at first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, MutableSequence, MutableSet
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

_CONTAINERS = (MutableMapping, MutableSequence, MutableSet)


@dataclass(frozen=True)
class ModuleState:
    """The containers of modules, by module and name; without those that lie in another one."""

    containers: dict[str, Any]
    sizes: dict[str, int] = field(default_factory=dict)  # how many things each held at first

    @classmethod
    def of(cls, modules: Iterable[ModuleType]) -> ModuleState:
        """The containers as they are now."""
        containers: dict[str, Any] = {}
        for owner, name, value in _named(modules):
            if isinstance(value, _CONTAINERS) and not name.startswith("__"):
                containers[f"{owner}.{name}"] = value
        return cls(containers, {name: len(value) for name, value in containers.items()})

    @property
    def grown(self) -> tuple[str, ...]:
        """The containers that do not hold as much as at first."""
        return tuple(
            name for name, size in self.sizes.items() if len(self.containers[name]) != size
        )

    def first_of(self, names: Iterable[str]) -> FirstContent:
        """What some of the containers hold now."""
        return FirstContent(
            tuple(
                (self.containers[name], tuple(_content(self.containers[name])))
                for name in names
                if name in self.containers
            )
        )


@dataclass(frozen=True)
class FirstContent:
    """What containers held at first."""

    held: tuple[tuple[Any, tuple[Any, ...]], ...]

    def restore(self) -> None:
        """Have each container hold that again."""
        for container, content in self.held:
            container.clear()
            if isinstance(container, MutableMapping):
                container.update(content)
            elif isinstance(container, MutableSequence):
                container.extend(content)
            else:
                for each in content:
                    container.add(each)


def _named(modules: Iterable[ModuleType]) -> Iterator[tuple[str, str, Any]]:
    for module in modules:
        title = module.__name__.partition(".")[2]  # behind the package that the set runs under
        for name, value in [*vars(module).items()]:
            yield title, name, value
            if isinstance(value, type) and value.__module__ == module.__name__:
                for inner, held in [*vars(value).items()]:
                    yield f"{title}.{name}", inner, held


def _content(container: Any) -> Iterable[Any]:
    return container.items() if isinstance(container, MutableMapping) else container
