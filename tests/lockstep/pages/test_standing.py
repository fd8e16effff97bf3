"""Findings about published batches stay open until somebody saw to them, whatever happens."""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lockstep.errors import LockstepError
from lockstep.pages.standing import FILE, acknowledge, suspects_of
from lockstep.pages.tiles import StreamHistory
from lockstep.registry.sites import Site
from lockstep.store.attempts import StepRecord
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.status import STEPS

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04")
ADA, BOB = (Site(name, "/home", "machine") for name in ("ada", "bob"))
USUAL, NOT_JUDGED = CheckResult(True, "All is well."), CheckResult.not_judged("Too few rows.")
UNJUDGED = CheckResult(True, "All is well.", unjudged={"price": "no value"})


def unusual(*columns: str, says: str = "odd", weight: str = "unusual") -> CheckResult:
    """A result of `constraints` with a finding on each of some columns."""
    rows = [{"finding": name, "is": weight, "columns": f"{name}, key"} for name in columns]
    near = {"finding": "", "is": "", "columns": "items"}
    summary = f"{columns} {says}"
    return CheckResult(False, summary, "WARN", columns[0], table=[*rows, near])


RESULTS = {
    "usual": USUAL,
    "not judged": NOT_JUDGED,
    "no rows": replace(USUAL, numbers={"rows": 0}),
    "price unjudged": UNJUDGED,
    "price": unusual("price"),
    "price is otherwise": unusual("price", says="odder"),
    "weight": unusual("weight"),
    "both": unusual("weight", "price"),
    "accepted": unusual("price", weight="accepted"),
    "of no table": CheckResult(False, "It is wrong.", "ERROR", "weight"),
}
NAMES = {
    "price": {"price"},
    "price is otherwise": {"price"},
    "weight": {"weight"},
    "both": {"price", "weight"},
    "of no table": {"weight"},
}
"""The columns that a result names, by the result."""


@dataclass(eq=False)
class Published:
    """What happened: a batch was published with a result."""

    day: str
    result: str

    @property
    def names(self) -> set[str]:
        return NAMES.get(self.result, set())

    def closes(self, earlier: "Published", column: str) -> bool:
        """Whether somebody reading both would say that the earlier one is over."""
        if self.day == earlier.day and column in self.names:
            return True  # it says so itself
        if self.day < earlier.day or self.result in ("not judged", "no rows", "of no table"):
            return False
        is_judged = (self.result, column) != ("price unjudged", "price")
        return is_judged and column not in self.names


class Histories(RuleBasedStateMachine):
    """A page that looks after every step at a stream in which anything happens."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.open_home("first")
        self.log: list[Published] = []
        self.seen: set[tuple[str, str]] = set()
        self.run = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def open_home(self, name: str) -> None:
        self.home = self.folder / name
        again = "lockstep score orders --day {}".format
        self.records = Records(self.home / "daily", again, kept=100)
        self.page = self.history()

    def history(self) -> StreamHistory:
        return StreamHistory(self.records, {step: f"orders/daily/{step}" for step in STEPS})

    def carry_out(self, day: str, result: str, steps: int, **last: object) -> None:
        self.run += 1
        for at, step in enumerate(STEPS[:steps]):
            check = {"constraints": RESULTS[result]} if step == "batch" else {}
            more = last if at == steps - 1 else {}
            with self.records.step(day, step, str(self.run), after=STEPS[:at]) as attempt:
                attempt.keep(step, StepRecord(results=check, version=7 + self.run % 2, **more))

    @rule(day=st.sampled_from(DAYS), result=st.sampled_from([*RESULTS]))
    def publish(self, day: str, result: str) -> None:
        """A batch is scored, perhaps again, in any order, by one version or the other."""
        self.carry_out(day, result, len(STEPS))
        self.records.commit(next(self.records.newest_first(day)))
        self.log.append(Published(day, result))

    @rule(day=st.sampled_from(DAYS), result=st.sampled_from([*RESULTS]), steps=st.integers(0, 2))
    def kill(self, day: str, result: str, steps: int) -> None:
        """A run begins and comes to nothing: what was published is as it was."""
        self.records.begin(day, str(self.run + 1))
        self.carry_out(day, result, steps)

    @rule(day=st.sampled_from(DAYS), result=st.sampled_from([*RESULTS]))
    def block(self, day: str, result: str) -> None:
        """A check blocks a batch, which says nothing of those that are published."""
        self.carry_out(day, result, 1, blocked_by={"decoding": "No."})

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """Two people who looked at the same time acknowledge what each of them chose."""
        self.page.look()
        waiting = [(self.records, self.page.standing())]
        for person in (ADA, BOB) if waiting[0][1] else ():
            chosen = data.draw(st.sampled_from(waiting[0][1]))
            seen = acknowledge(waiting, [chosen.name], person)
            assert chosen in seen
            self.seen |= {(each.partition, each.report.summary) for each in seen if each.report}

    @rule()
    def copy(self) -> None:
        """The home is copied, and somebody goes on with the copy."""
        self.home.mkdir(exist_ok=True)
        name = f"{self.home.name}x"
        shutil.copytree(self.home, self.folder / name)
        self.open_home(name)

    @invariant()
    def what_nobody_saw_to_is_open(self) -> None:
        expected = set()
        for at, each in enumerate(self.log):
            is_over = all(
                any(later.closes(each, column) for later in self.log[at + 1 :])
                for column in each.names
            )
            if not is_over and (each.day, RESULTS[each.result].summary) not in self.seen:
                expected.add((each.day, RESULTS[each.result].summary))
        self.page.look()
        for page in (self.page, self.history()):
            page.look()
            reports = [each.report for each in page.standing()]
            assert {(each.partition, each.summary) for each in reports if each} == expected


@pytest.mark.parametrize("examples", [10, pytest.param(150, marks=pytest.mark.long)])
def test_what_nobody_saw_to_stays_open_in_every_history(examples: int) -> None:
    steps = settings(max_examples=examples, stateful_step_count=14, deadline=None)
    run_state_machine_as_test(Histories, settings=steps)


@pytest.fixture
def warned() -> Iterator[Histories]:
    """Two days that warn: of a price, and of a weight and the price."""
    histories = Histories()
    histories.publish(DAYS[0], "price")
    histories.publish(DAYS[1], "both")
    histories.page.look()
    yield histories
    histories.teardown()


def test_of_two_people_at_once_neither_is_lost(warned: Histories) -> None:
    waiting = [(warned.records, warned.page.standing())]
    names = [[each.name] for each in waiting[0][1]]
    with ThreadPoolExecutor(2) as people:
        assert all(people.map(acknowledge, [waiting, waiting], names, [ADA, BOB]))
    warned.page.look()
    assert warned.page.standing() == []
    assert acknowledge([(warned.records, [])], names[0], BOB) == []


def test_a_lost_list_of_what_is_acknowledged_opens_all_again(warned: Histories) -> None:
    waiting = [(warned.records, warned.page.standing())]
    acknowledge(waiting, [each.name for each in waiting[0][1]], ADA)
    path = warned.records.root / FILE
    path.write_text(path.read_text()[:-9])
    warned.page.look()
    assert len(warned.page.standing()) == 2
    with pytest.raises(LockstepError, match="remove it, and all of that is open again"):
        acknowledge(waiting, [waiting[0][1][0].name], ADA)


def test_a_name_that_no_finding_has_acknowledges_none(warned: Histories) -> None:
    waiting = [(warned.records, warned.page.standing())]
    with pytest.raises(LockstepError, match="'12345678' is open: `lockstep status` shows"):
        acknowledge(waiting, [waiting[0][1][0].name, "12345678"], ADA)
    assert not (warned.records.root / FILE).exists()


def test_what_is_accepted_or_cut_off_names_no_column() -> None:
    assert suspects_of(RESULTS["accepted"]) == frozenset()
    assert suspects_of(RESULTS["both"]) == {"price", "weight"}
    assert suspects_of(NOT_JUDGED) == frozenset()
