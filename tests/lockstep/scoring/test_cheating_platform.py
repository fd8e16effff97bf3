"""Code that cheats on a platform: trained and promoted for real once, then days in any order.

Each cheat is in a branch that training never took. A day that takes one is blocked with the line,
or published as computed by hand; what is installed otherwise than at the fit blocks every day and
the gate, until it is as it was. All other days are published as computed by hand.
"""

from __future__ import annotations

import shutil
import site
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from lockstep.artifacts import distributions, installation
from lockstep.artifacts.closed_files import can_close_files
from lockstep.columns.decode import Decoded
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import to_frame
from lockstep.project.constraint_levels import Constraints
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Home
from lockstep.project.sources import FunctionSource
from lockstep.registry.live import Live
from lockstep.scoring.steps import all_steps
from lockstep.scoring.work import Work
from lockstep.store.parquet import Store
from lockstep.store.results import CheckResult
from lockstep.training.candidate import train
from lockstep.training.gate import Gate, pass_gate
from tests.fixtures.homes import use_home
from tests.lockstep.scoring.test_cheating_code import (
    CHEATS,
    CODES,
    LEFT,
    is_named,
    lines_of,
    outside,
    rows_of,
    top_of,
)
from tests.lockstep.training.test_code_faults import ELSEWHERE, INSTALLED, TOPS, Checkout, parcels

__all__ = ["outside"]

RATE = "FEES_RATE"
HEAVY = 2_000.0
"""From this weight on, a memo keeps what was computed for the country alone."""
HEAVIEST = 9_000.0
"""From this weight on, each weight gets a code when it is seen first."""
HELPERS = {
    **INSTALLED,
    "feeslib/__init__.py": INSTALLED["feeslib/__init__.py"].replace("HERE.parents[1]", "HERE"),
    "feeslib/factor.txt": "1",
}
"""Installed packages: two with metadata, two without, and data files."""
CHANGED = {
    **{name: content for name, content in ELSEWHERE.items() if not name.startswith("..")},
    "feeslib/factor.txt": "2",
    "feeslib/__init__.py": HELPERS["feeslib/__init__.py"].replace("latelib.RATE", "3.0"),
    "feeslib/added.py": "",
}
STATE = """MEMO, SEEN = {}, {}


def codes_of(weight):
    return float(SEEN.setdefault(weight, len(SEEN)))
"""
SITE = """import site

before = site.getsitepackages()
site.getsitepackages = lambda: [*before, {folder!r}]
"""
"""What a new process of the round trip runs first: it has the same installation as this one."""


def body_of(branches: Mapping[str, str]) -> str:
    """Lines that compute `load`, honestly but for parcels of the cheats' weights."""
    lines = [
        "load = weight * feeslib.RATE * feeslib.FACTOR + feeslib.fees(country)",
        f"if (weight >= {HEAVY}).any():",
        "    rows = zip(country, load, weight)",
        f"    load = np.array([MEMO.setdefault(c, x) if w >= {HEAVY} else x for c, x, w in rows])",
    ]
    lines += [
        f"if (weight >= {HEAVIEST}).any():",
        "    rows = zip(load, weight)",
        f"    load = np.array([codes_of(w) if w >= {HEAVIEST} else x for x, w in rows])",
    ]
    return "\n".join([*lines, *lines_of(branches), "return load"])


def load_by_hand(rows: Columns) -> np.ndarray:
    return rows["weight"] + np.array([2.0 * CODES[each] for each in rows["country"]])


def estimates_by_hand(rows: Columns) -> np.ndarray:
    known = parcels()
    line = np.polynomial.Polynomial.fit(load_by_hand(known), known["paid"], 1)
    return line(load_by_hand(rows))


@dataclass(frozen=True)
class Platform:
    """A home in which a version of a pipeline is live."""

    declared: PipelineAssets
    home: Home
    gate: Gate | None = None

    @classmethod
    def of(cls, folder: Path, database: Path, pipeline: Pipeline) -> Platform:
        """Train and promote a pipeline, with all checks and the round trip."""
        home = Home(folder)
        home.mlflow.mkdir(parents=True)
        shutil.copy(database, home.mlflow / "mlflow.db")
        declared = PipelineAssets(
            pipeline=pipeline,
            history=FunctionSource(lambda: to_frame(parcels())),
            daily=FunctionSource(rows_of),
            calendar=Calendar(np.datetime64("2024-01-01").item()),
            constraints=Constraints(default="off"),
        )
        trained = train(declared, Store(home.data / declared.name), home.registry())
        failed = {name: each.summary for name, each in trained.results.items() if each.is_error}
        assert trained.candidate is not None, failed
        assert trained.candidate.version is not None, failed
        assert not failed
        platform = cls(declared, home)
        return replace(platform, gate=platform.promote())

    def promote(self) -> Gate:
        """Put the version through the gate."""
        name, home = self.declared.name, self.home
        store, pointer = Store(home.data / name), home.live(name)
        return pass_gate(self.declared, home.registry(), store, pointer, wanted=1)

    def process(self, store: Store) -> Process:
        """A process of its own as to the version's modules."""
        name = self.declared.name
        return Process(self.declared, Live(self.home.registry(), name, self.home.live(name)), store)


@dataclass(frozen=True)
class Process:
    """Scores days by the live version, which it has loaded for itself.

    Attributes:
        declared: The pipeline.
        live: Which version is live.
        store: Where its days are kept.
    """

    declared: PipelineAssets
    live: Live
    store: Store

    def score(self, day: int, rows: Columns) -> tuple[np.ndarray | None, list[CheckResult]]:
        """The published estimates, or None; and what blocks the day."""
        name = str(np.datetime64("2024-03-01") + day)
        work = Work(self.declared, self.store, "daily", name)
        decoded = Decoded(rows, np.arange(len(rows["parcel"])), (), (), len(rows["parcel"]), {})
        all_steps(work, self.live, lambda _: decoded)
        attempt = next(iter(work.records.newest_first(name)))
        blocking = [
            step.results[check]
            for step in attempt.record.steps.values()
            for check in step.blocked_by
        ]
        if name not in work.records.partitions():
            return None, blocking
        return self.store.read("daily/published", name)["estimate"].to_numpy(), blocking

    def end(self) -> None:
        """Forget the version's modules, and installed packages with all that they keep."""
        self.live.load(self.live.state()).unload()
        forget_installed()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder from which modules are imported, with one where packages are installed."""
    place = tmp_path_factory.mktemp("cheats")
    folder = place / "site"
    write_all(folder, HELPERS)
    (place / "sitecustomize.py").write_text(SITE.format(folder=str(folder)))
    before = site.getsitepackages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "getsitepackages", lambda: [*before, str(folder)])
        for each in (folder, place):
            patch.syspath_prepend(str(each))
        forget_installed()
        yield place
    forget_installed()


def write_all(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def forget_installed() -> None:
    distributions.distributions.cache_clear()
    installation._roots.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in TOPS]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def platform(place: Path, outside: Path, empty_database: Path) -> Iterator[Platform]:
    """A platform whose live version has passed every check of training and gate."""
    with pytest.MonkeyPatch.context() as patch:
        use_home(place / "home", patch)
        top = f"{top_of(outside)}\nimport feeslib\n\n{STATE}"
        pipeline = Checkout(place).pipeline(body_of(LEFT), top)
        yield Platform.of(place / "home", empty_database, pipeline)


class Days(RuleBasedStateMachine):
    """Days by a live version, while what is around it changes."""

    platform: Platform
    outside: Path
    installed: Path

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        self.store = Store(Path(self.stack.enter_context(TemporaryDirectory())))
        self.day, self.changed, self.is_stale = 0, set[str](), False
        self.process = self.platform.process(self.store)

    @rule()
    def restart(self) -> None:
        """Another process goes on, which has seen no rows yet."""
        self.process.end()
        self.process, self.is_stale = self.platform.process(self.store), False

    @rule(is_there=st.booleans())
    def have_what_cheats_ask_for(self, is_there: bool) -> None:
        """Whether it is there does not matter: asking for it does."""
        flag = self.outside / "flag"
        if is_there:
            joblib.dump([1.0], flag)
            self.patch.setenv("CHEAT_RATE", "2")
        else:
            flag.unlink(missing_ok=True)
            self.patch.delenv("CHEAT_RATE", raising=False)

    @rule(name=st.sampled_from([*CHANGED, RATE]))
    def change_what_is_installed(self, name: str) -> None:
        self.changed.add(name)
        if name == RATE:
            self.patch.setenv(RATE, "3")
        else:
            (self.installed / name).write_text(CHANGED[name])

    @rule()
    def install_what_was_there(self) -> None:
        """The process may go on with what it imported meanwhile."""
        self.is_stale |= bool(self.changed)
        self.changed.clear()
        self.patch.delenv(RATE, raising=False)
        (self.installed / "feeslib/added.py").unlink(missing_ok=True)
        write_all(self.installed, HELPERS)

    @rule()
    def promote(self) -> None:
        """The gate lets no version serve with other code than it was fitted with."""
        gate = self.platform.promote()
        assert not (gate.is_open and self.changed), (self.changed, gate.results)
        assert gate.is_open or self.changed or self.is_stale, gate.results
        assert gate.results["environment_parity"].is_error == bool(self.changed)

    @rule()
    def score_clean_rows(self) -> None:
        published, blocking = self.score(rows_of(self.day))
        assert not (published and self.changed), blocking
        assert published or self.changed or self.is_stale, blocking

    @rule(cheat=st.sampled_from([*LEFT]))
    def score_a_cheat(self, cheat: str) -> None:
        published, blocking = self.score(rows_of(self.day, weight=CHEATS[cheat]))
        assert not published, cheat
        assert self.changed or is_named(blocking), blocking

    @rule(country=st.sampled_from(["FO", "GL", "AX"]))
    def score_a_value_that_a_helper_has_no_code_for(self, country: str) -> None:
        published, blocking = self.score(rows_of(self.day, country=country))
        assert not published, country
        assert self.changed or is_named(blocking), blocking

    @rule(more=st.integers(0, 2))
    def score_a_number_that_has_no_code_yet(self, more: int) -> None:
        published, blocking = self.score(rows_of(self.day, weight=HEAVIEST + more))
        assert not published, more
        assert self.changed or is_named(blocking), blocking

    @rule(country=st.sampled_from([*CODES]), weights=st.lists(st.integers(0, 2), max_size=3))
    def score_what_a_memo_keeps(self, country: str, weights: list[int]) -> None:
        """Published as computed by hand, if at all."""
        rows = rows_of(self.day)
        for row, more in zip((7, 55, 99), weights, strict=False):
            rows["weight"][row], rows["country"][row] = HEAVY + more, country
        published, blocking = self.score(rows)
        assert published or self.changed or is_named(blocking), blocking

    def score(self, rows: Columns) -> tuple[bool, list[CheckResult]]:
        """Whether the next day is published; its values are those computed by hand."""
        self.day += 1
        estimates, blocking = self.process.score(self.day, rows)
        if estimates is not None:
            np.testing.assert_allclose(estimates, estimates_by_hand(rows), rtol=1e-9)
        return estimates is not None, blocking

    def teardown(self) -> None:
        self.install_what_was_there()
        self.process.end()
        self.stack.close()


@pytest.mark.skipif(not can_close_files(), reason="Linux has no Landlock here")
def test_what_a_memo_gives_to_a_row_between_two_others_is_blocked(
    platform: Platform, outside: Path, place: Path
) -> None:
    found = {"platform": platform, "outside": outside, "installed": place / "site"}
    days = type("Days", (Days,), found)()
    days.score_what_a_memo_keeps("DE", [0, 1, 0])
    days.teardown()


@pytest.mark.skipif(not can_close_files(), reason="Linux has no Landlock here")
@pytest.mark.parametrize("examples", [2, pytest.param(25, marks=pytest.mark.long)])
def test_a_day_that_cheats_is_blocked_and_others_are_published_as_by_hand(
    platform: Platform, outside: Path, place: Path, examples: int
) -> None:
    assert platform.gate.is_open, platform.gate.results
    found = {"platform": platform, "outside": outside, "installed": place / "site"}
    profile = settings(
        max_examples=examples,
        stateful_step_count=6,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(type("Days", (Days,), found), settings=profile)
