"""Tiles: what a page says of a partition follows the records, whatever happened to them."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from rich.cells import cell_len

from lockstep.pages.alerts import Told
from lockstep.pages.rendering import templates
from lockstep.pages.tiles import SIGNS, StreamHistory, Tile, TileState
from lockstep.store.attempts import RECORD, StepRecord
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.status import STEPS, RunProgress

DAYS = ("2024-01-01", "2024-01-02")
FAILED = CheckResult(False, "It is wrong.", column="price", keys=("a", "b"))
RESULTS = {
    "published": CheckResult(True, "All is well."),
    "not_judged": CheckResult.not_judged("There was nothing to compare."),
    "warned": CheckResult(False, "It is unusual.", "WARN"),
    "failed": FAILED,
}


def history_of(records: Records) -> StreamHistory:
    history = StreamHistory(records, {step: f"orders/daily/{step}" for step in STEPS})
    history.runs = lambda _: "ended"
    history.look()
    return history


class Attempts(RuleBasedStateMachine):
    """A page that looks after every step at what processes do to two days."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        again = "lockstep score orders --day {}".format
        self.records = Records(self.folder / "daily", again)
        self.page = history_of(self.records)
        self.last: dict[str, TileState] = dict.fromkeys(DAYS, "not_tried")
        self.is_commit_damaged = dict.fromkeys(DAYS, False)
        self.run = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def carry_out(self, day: str, steps: int, check: CheckResult, **last: object) -> None:
        """A run carries out so many steps of a day."""
        self.run += 1
        self.records.begin(day, str(self.run))
        for at, step in enumerate(STEPS[:steps]):
            more = last if at == steps - 1 else {}
            counts = {"rows_in": 100, "quarantined": 2} if step == "batch" else {}
            with self.records.step(day, step, str(self.run), after=STEPS[:at]) as attempt:
                attempt.keep(step, StepRecord(counts, {"check": check}, version=7, **more))

    @rule(day=st.sampled_from(DAYS), state=st.sampled_from([*RESULTS]))
    def score(self, day: str, state: TileState) -> None:
        """A run goes through."""
        self.carry_out(day, len(STEPS), RESULTS[state])
        self.records.commit(next(self.records.newest_first(day)))
        self.last[day], self.is_commit_damaged[day] = state, False

    @rule(day=st.sampled_from(DAYS), steps=st.integers(1, 2))
    def block(self, day: str, steps: int) -> None:
        """A check blocks a run."""
        self.carry_out(day, steps, FAILED, blocked_by={"check": FAILED.summary})
        self.last[day] = "blocked"

    @rule(day=st.sampled_from(DAYS), steps=st.integers(0, 3))
    def kill(self, day: str, steps: int) -> None:
        """A run is killed after so many steps, or before it commits."""
        self.carry_out(day, steps, RESULTS["published"])
        self.last[day] = "broken_off"

    @rule(day=st.sampled_from(DAYS))
    def damage(self, day: str) -> None:
        """The record of the last attempt is cut off."""
        numbers = self.records.numbers(day)
        if numbers:
            record = self.folder / "daily" / "attempts" / day / str(numbers[-1]) / RECORD
            record.write_text(record.read_text()[:-5])
            commit = self.records.commit_of(day)
            self.is_commit_damaged[day] |= commit is not None and commit.attempt == numbers[-1]
            self.last[day] = "damaged"

    @invariant()
    def the_page_says_what_happened(self) -> None:
        self.page.look()
        for day in DAYS:
            expected = "damaged" if self.is_commit_damaged[day] else self.last[day]
            tile = self.page.tile(day)
            assert tile.state == expected
            assert tile == history_of(self.records).tile(day)
            is_open = expected in ("blocked", "broken_off") or (
                expected == "damaged" and self.last[day] != "damaged"
            )
            if expected != "damaged":
                assert (day in self.page.open()) == is_open

    @rule(progress=st.sampled_from(["under_way", "interrupted", "not_asked"]))
    def a_run_that_may_end_well_is_never_red(self, progress: RunProgress) -> None:
        """A look while no run has ended, between two steps as well as in one."""
        before, self.page.runs = self.page.runs, lambda _: progress
        for day in DAYS:
            if self.last[day] == "broken_off" and not self.is_commit_damaged[day]:
                tile = self.page.tile(day)
                assert tile.state == "under_way"
                assert not [each for each in tile.findings if each.result == "failed"]
        self.page.runs = before


@pytest.mark.parametrize("examples", [5, pytest.param(60, marks=pytest.mark.long)])
def test_tiles_say_what_happened_to_each_day(examples: int) -> None:
    steps = settings(max_examples=examples, stateful_step_count=12, deadline=None)
    run_state_machine_as_test(Attempts, settings=steps)


def test_a_tile_has_the_figures_of_the_attempt(tmp_path: Path) -> None:
    records = Records(tmp_path / "daily", "lockstep score orders --day {}".format)
    with records.step("2024-01-01", "batch", "one") as attempt:
        counts = {"rows_in": 100, "quarantined": 2, "duplicates": 1}
        attempt.keep("batch", StepRecord(counts, {"input_suite": FAILED}, {"input_suite": "!"}, 7))
    tile = history_of(records).tile("2024-01-01")
    assert (tile.state, tile.rows, tile.quarantined, tile.version) == ("blocked", 100, 3, 7)
    (finding,) = tile.findings
    assert (finding.column, finding.key, finding.partition) == ("price", "a", "2024-01-01")
    assert "lockstep score orders --day 2024-01-01" in (finding.todo or "")
    assert tile.page == "/runs/one?logs=input_suite"


def test_the_partition_attempted_last_is_the_newest(tmp_path: Path) -> None:
    records = Records(tmp_path / "daily", "lockstep score orders --day {}".format)
    assert history_of(records).newest(1) == []
    for day in reversed(DAYS):
        records.begin(day, "run")
    assert history_of(records).newest(1) == [DAYS[0]]


def test_a_state_has_one_sign_on_the_page_and_on_the_terminal() -> None:
    assert {*SIGNS} == {*get_args(TileState)}
    assert len({sign.mark for sign in SIGNS.values()}) == len(SIGNS)
    page = templates(autoescape=True).get_template("tile.html").module
    text = templates(autoescape=False).get_template("status.txt").render(states=[], told=Told())
    for sign in SIGNS.values():
        assert cell_len(sign.mark) == 1, "a wider one moves those after it"
        assert f">{sign.mark}</span>{sign.meaning}" in page.legend()
        assert f"{sign.mark} {sign.meaning}" in text


def test_the_tile_of_a_file_carries_its_name_and_time() -> None:
    link = templates(autoescape=True).get_template("tile.html").module.link
    tile = Tile("inbox", "may.csv", "blocked", "/page", at="2024-05-01T05:44:10+00:00")
    shown = re.sub("<[^>]*>", " ", link(tile, "", is_day=False))
    assert shown.split() == [
        "may.csv:", "blocked", "by", "a", "check", "may.csv", "■", "2024-05-01", "05:44", "UTC",
    ]  # fmt: skip
