"""The progress of runs, asked in the background: what is not known is no reason for an alarm."""

import time
from collections.abc import Collection, Mapping
from threading import Event

from lockstep.pages.background import AskedRuns
from lockstep.store.status import RunProgress


def soon() -> float:
    return time.monotonic() + 60


def test_a_run_is_not_known_where_nobody_recorded_it_or_nobody_answers() -> None:
    asked = AskedRuns(lambda _: {"one": "under_way"}).ask({"one", "other"}, soon())
    assert [asked(run) for run in ("one", "other")] == ["under_way", "unknown"]

    def fail(_: Collection[str]) -> Mapping[str, RunProgress]:
        raise OSError("the database does not answer")

    assert AskedRuns(fail).ask({"one"}, soon())("one") == "unknown"


def test_a_run_of_which_no_answer_tells_yet_was_not_asked() -> None:
    go_on = Event()

    def read(runs: Collection[str]) -> Mapping[str, RunProgress]:
        assert go_on.wait(60)
        return dict.fromkeys(runs, "ended")

    asked = AskedRuns(read)
    assert asked.ask({"one"}, 0)("one") == "not_asked"
    go_on.set()
    known = asked.ask({"one", "begun since"}, soon())
    assert (known("one"), known("begun since")) == ("ended", "not_asked")
