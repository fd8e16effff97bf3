"""Versions: what serves, what is refused, and how one takes another's place."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.pointers import LivePointer, write_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.project.home import Home
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.scorers import Scorers
from lockstep.serving.versions.served_versions import Versions

Records = list[dict[str, Any]]


@pytest.fixture
def copied(loaded: LoadedVersion, tmp_path: Path) -> Callable[[int], LivePointer]:
    """Gives pointers to copies of the version's files, under other numbers."""

    def copy(number: int) -> LivePointer:
        directory = tmp_path / f"version {number}"
        shutil.copytree(loaded.directory, directory)
        return LivePointer(loaded.name, number, directory, loaded.digest)

    return copy


@pytest.fixture
def pointer(tmp_path: Path) -> Path:
    return Home(tmp_path / "home").live("orders")


def versions_at(pointer: Path) -> Versions:
    return Versions(pointer, Scorers())


def number_of(versions: Versions) -> int | None:
    return versions.scorer.loaded.version if versions.scorer is not None else None


def test_nothing_serves_before_a_version_is_live(
    pointer: Path, copied: Callable[[int], LivePointer]
) -> None:
    versions = versions_at(pointer)

    async def go() -> None:
        await versions.look()
        assert versions.scorer is None
        assert versions.refusal is None
        write_live(pointer, copied(1))
        await versions.look()

    asyncio.run(go())

    assert number_of(versions) == 1


def test_a_version_begins_without_the_rows_that_another_one_scored(
    pointer: Path, copied: Callable[[int], LivePointer], other: LivePointer, orders: Records
) -> None:
    versions = Versions(pointer, Scorers(cached_rows=10))
    kept: list[int] = []

    async def go() -> None:
        for one in (copied(1), other):
            write_live(pointer, one)
            await versions.look()
            assert versions.scorer is not None
            assert versions.scorer.cache is not None
            kept.append(len(versions.scorer.cache))
            versions.scorer.answer([orders[:3]])
            kept.append(len(versions.scorer.cache))

    asyncio.run(go())

    assert kept == [0, 3, 0, 3]


def test_a_damaged_version_is_refused_and_the_old_one_goes_on(
    pointer: Path, copied: Callable[[int], LivePointer], other: LivePointer
) -> None:
    versions = versions_at(pointer)
    (other.directory / "profile.json").write_text("{}")

    async def go() -> None:
        write_live(pointer, copied(1))
        await versions.look()
        write_live(pointer, other)
        await versions.look()

    asyncio.run(go())

    assert number_of(versions) == 1
    assert versions.refusal is not None
    assert versions.refusal.version == 2
    assert "profile.json is not what was logged" in versions.refusal.reason


def test_a_version_that_computes_something_else_here_is_refused_by_its_replay(
    pointer: Path, copied: Callable[[int], LivePointer], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = versions_at(pointer)
    write_live(pointer, copied(1))
    opened = LivePointer.open

    def skewed(self: LivePointer) -> LoadedVersion:
        found = opened(self)
        node = found.pipeline.graph.nodes["price_per_item"]
        function = node.function
        assert function is not None
        object.__setattr__(node, "function", lambda price, items: function(price, items) + 1)
        return found

    monkeypatch.setattr(LivePointer, "open", skewed)

    asyncio.run(versions.look())

    assert versions.scorer is None
    assert versions.refusal is not None
    assert "price_per_item" in versions.refusal.reason


def test_a_pointer_that_cannot_be_read_leaves_the_version_that_serves(
    pointer: Path, copied: Callable[[int], LivePointer]
) -> None:
    versions = versions_at(pointer)

    async def go() -> None:
        write_live(pointer, copied(1))
        await versions.look()
        pointer.write_text("{")
        await versions.look()
        assert versions.refusal is not None
        write_live(pointer, copied(3))  # the same bytes under another number
        await versions.look()

    asyncio.run(go())

    assert number_of(versions) == 3
    assert versions.refusal is None


def test_requests_are_answered_by_the_version_that_served_when_they_came(
    pointer: Path, copied: Callable[[int], LivePointer], other: LivePointer, orders: Records
) -> None:
    service = Service("orders", pointer)
    versions = service.versions

    async def go() -> None:
        write_live(pointer, copied(1))
        await versions.look()
        before, after = service.ids.ask(), service.ids.ask()
        old = service.claim(before)
        write_live(pointer, other)
        await versions.look()
        new = service.claim(after)
        answers = await asyncio.gather(
            *(service.batches.ask(one, orders[:1]) for one in (old, new))
        )
        assert [answer.version for answer in answers] == [1, 2]
        assert versions.scorers.loaded == (old, new)
        old.lease.release()
        assert versions.scorers.loaded == (new,)

    asyncio.run(go())


def test_a_version_whose_files_are_there_again_is_tried_again(
    pointer: Path, copied: Callable[[int], LivePointer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.serving.versions.served_versions._AGAIN_SECONDS", 0.0)
    versions = versions_at(pointer)
    live = copied(1)
    write_live(pointer, live)
    away = live.directory.rename(live.directory.with_name("away"))

    async def go() -> None:
        await versions.look()
        assert versions.refusal is not None
        away.rename(live.directory)
        await versions.look()

    asyncio.run(go())

    assert number_of(versions) == 1
    assert versions.refusal is None


def test_files_that_cannot_be_followed_are_told_and_looked_at_again(
    live_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service("orders", Home(live_home).live("orders"))
    look, errors = service.versions.look, [OSError("the disk is away")]

    async def failing_once() -> None:
        if errors:
            raise errors.pop()
        await look()

    async def go() -> None:
        following = asyncio.create_task(service.follow(0.0))
        while service.versions.scorer is None:
            await asyncio.sleep(0)
        following.cancel()

    monkeypatch.setattr(service.versions, "look", failing_once)
    asyncio.run(go())

    assert "the files of versions cannot be followed; it is tried again" in caplog.text
    assert "OSError: the disk is away" in caplog.text
