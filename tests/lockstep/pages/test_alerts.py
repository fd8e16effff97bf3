"""What is told: each event once when it begins and once when it is over, whatever happens."""

from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lockstep.checks.messages import Message
from lockstep.errors import LockedError
from lockstep.pages.alerts import Told, tell
from lockstep.pages.events import Events, OpenEvent
from lockstep.project.alerting import Alerting
from lockstep.project.project import Project
from lockstep.store.lock import locked

NOW = datetime(2026, 3, 1, 7, tzinfo=UTC)
DAYS = [
    OpenEvent(name, kind, f"daily/2026-02-2{day}", Message(f"{day} {kind}", "price", "AGAIN"))
    for name in ("orders", "wine")
    for kind in ("blocked", "missed")
    for day in (1, 2)
]


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The home of a project is in its folder, whatever other tests use."""
    monkeypatch.delenv("LOCKSTEP_HOME", raising=False)


def project(root: Path, **settings: object) -> Project:
    receivers = {name: f"json://{name}.invalid" for name in ("mail", "team")}
    return Project(root, "shop", alerts=Alerting(**{"receivers": receivers, **settings}))


def events(*which: OpenEvent, unknown: tuple[str, ...] = ()) -> Events:
    return Events({event.id: event for event in which}, dict.fromkeys(unknown, "it is damaged"))


class Killed(BaseException):
    """The process is killed."""


class Receivers:
    """What each receiver took, and which of them answer."""

    def __init__(self) -> None:
        self.taken: dict[str, list[str]] = defaultdict(list)
        self.tried: list[tuple[str, str]] = []
        self.down: set[str] = set()
        self.poison = ""
        self.kill_after: int | None = None

    def send(self, settings: Alerting, receiver: str, title: str, text: str) -> str | None:
        self.tried.append((receiver, title))
        if receiver in self.down:
            return "it does not answer"
        if self.poison and title.endswith(self.poison):
            return "it does not like this one"
        self.taken[receiver].append(title)
        if self.kill_after is not None:
            self.kill_after -= 1
            if self.kill_after < 0:
                raise Killed
        return None


class Telling(RuleBasedStateMachine):
    """Events begin and end, receivers go down and come up, and processes are killed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.project = project(Path(self.folder.name))
        self.receivers = Receivers()
        self.open: set[OpenEvent] = set()
        self.unknown: set[str] = set()
        self.history: dict[str, int] = defaultdict(int)
        self.repeated: dict[tuple[str, str], int] = defaultdict(int)

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(event=st.sampled_from(DAYS))
    def begin_or_end(self, event: OpenEvent) -> None:
        self.open ^= {event}
        self.history[event.id] += 1

    @rule(subject=st.sampled_from(["orders", "wine blocked", DAYS[0].id]))
    def lose_or_find(self, subject: str) -> None:
        self.unknown ^= {subject}

    @rule(receiver=st.sampled_from(["mail", "team"]))
    def go_down_or_up(self, receiver: str) -> None:
        self.receivers.down ^= {receiver}

    @rule(event=st.sampled_from([None, *DAYS]))
    def refuse_one(self, event: OpenEvent | None) -> None:
        self.receivers.poison = event.id if event is not None else ""

    @rule()
    def look(self) -> None:
        self.tell()
        told = Told.read(self.project.home)
        for name, one in told.receivers.items():
            if name not in self.receivers.down and not self.receivers.poison:
                assert not one.refused
                assert all(not self.now.is_over(each) for each in one.told)
                assert {*self.now.open} <= {*one.told}
                assert {event.id for event in DAYS if self.took(name, event)} == {*one.told}

    def took(self, receiver: str, event: OpenEvent) -> bool:
        """Whether a receiver took the beginning of an event, and not its end."""
        titles = (f"shop: {event.id}", f"Over: shop: {event.id}")
        begun, over = (
            self.receivers.taken[receiver].count(title) - self.repeated[receiver, title]
            for title in titles
        )
        return begun > over

    @rule(messages=st.integers(0, 3))
    def be_killed_after_sending(self, messages: int) -> None:
        self.receivers.kill_after = messages
        with suppress(Killed):
            self.tell()
        if self.receivers.kill_after < 0:
            name, title = self.last_taken()
            self.repeated[name, title] += 1
        self.receivers.kill_after = None

    @property
    def now(self) -> Events:
        known = (event for event in self.open if not self.is_unknown(event))
        return events(*known, unknown=tuple(self.unknown))

    def is_unknown(self, event: OpenEvent) -> bool:
        return any(f"{event.id} ".startswith(f"{name} ") for name in self.unknown)

    def tell(self) -> None:
        self.before = {name: len(taken) for name, taken in self.receivers.taken.items()}
        tell(self.project, self.now, NOW, self.receivers.send)

    def last_taken(self) -> tuple[str, str]:
        """The message that was sent and not written: no other one of its receiver came after."""
        told = Told.read(self.project.home)
        for name, taken in self.receivers.taken.items():
            written = [title for _, receiver, title in told.sent if receiver == name]
            if len(taken) > len(written) + sum(
                count for (whose, _), count in self.repeated.items() if whose == name
            ):
                return name, taken[-1]
        raise AssertionError("a killed process had sent something")

    @invariant()
    def every_beginning_and_every_end_is_told_once(self) -> None:
        for name, taken in self.receivers.taken.items():
            for event in DAYS:
                title = f"shop: {event.id}"
                begun, over = taken.count(title), taken.count(f"Over: {title}")
                begun -= self.repeated[name, title]
                over -= self.repeated[name, f"Over: {title}"]
                assert 0 <= begun - over <= 1
                assert begun + over <= self.history[event.id]


@pytest.mark.parametrize("examples", [10, pytest.param(120, marks=pytest.mark.long)])
def test_every_history_is_told_once(examples: int) -> None:
    steps = settings(max_examples=examples, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(Telling, settings=steps)


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


def test_a_receiver_that_is_down_is_told_once_it_is_up_again(
    tmp_path: Path, receivers: Receivers
) -> None:
    receivers.down = {"mail"}
    told = tell(project(tmp_path), events(DAYS[0]), NOW, receivers.send)
    assert told.refusals == ["1 alert to mail missed. The last reason: it does not answer."]
    assert receivers.taken["team"] == [f"shop: {DAYS[0].id}"]
    receivers.down = set()
    told = tell(project(tmp_path), events(DAYS[0]), NOW, receivers.send)
    assert told.refusals == []
    assert receivers.taken["mail"] == receivers.taken["team"]


def test_a_message_that_is_refused_holds_up_no_other(tmp_path: Path, receivers: Receivers) -> None:
    receivers.poison = DAYS[0].id
    tell(project(tmp_path), events(*DAYS[:3]), NOW, receivers.send)
    assert receivers.taken["mail"] == [f"shop: {event.id}" for event in DAYS[1:3]]


def test_what_was_refused_is_tried_after_what_is_new(tmp_path: Path, receivers: Receivers) -> None:
    receivers.poison = DAYS[0].id
    tell(project(tmp_path), events(DAYS[0]), NOW, receivers.send)
    receivers.tried.clear()
    tell(project(tmp_path), events(*DAYS[:2]), NOW, receivers.send)
    tried = [title for receiver, title in receivers.tried if receiver == "mail"]
    assert tried == [f"shop: {event.id}" for event in (DAYS[1], DAYS[0])]


def test_an_event_that_nobody_took_and_that_is_over_is_not_told(
    tmp_path: Path, receivers: Receivers
) -> None:
    receivers.down = {"mail", "team"}
    tell(project(tmp_path), events(DAYS[0]), NOW, receivers.send)
    receivers.down = set()
    tell(project(tmp_path), events(), NOW, receivers.send)
    assert not receivers.taken
    assert Told.read(project(tmp_path).home).refusals == []


def test_what_is_not_known_is_not_over(tmp_path: Path, receivers: Receivers) -> None:
    tell(project(tmp_path), events(DAYS[0]), NOW, receivers.send)
    tell(project(tmp_path), events(unknown=("orders",)), NOW, receivers.send)
    assert len(receivers.taken["mail"]) == 1
    tell(project(tmp_path), events(), NOW, receivers.send)
    assert receivers.taken["mail"][1:] == [f"Over: shop: {DAYS[0].id}"]


def test_only_the_chosen_kinds_are_told(tmp_path: Path, receivers: Receivers) -> None:
    chosen = project(tmp_path, events=("missed",))
    tell(chosen, events(*DAYS), NOW, receivers.send)
    assert receivers.taken["mail"] == [
        f"shop: {event.id}" for event in DAYS if event.kind == "missed"
    ]


def test_a_kind_that_is_chosen_no_longer_is_not_told_as_over(
    tmp_path: Path, receivers: Receivers
) -> None:
    tell(project(tmp_path), events(DAYS[0]), NOW, receivers.send)
    tell(project(tmp_path, events=("missed",)), events(DAYS[0]), NOW, receivers.send)
    assert len(receivers.taken["mail"]) == 1


def test_a_receiver_without_its_secret_is_left_out(
    tmp_path: Path, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    settings = {"mail": "mailto://${MAIL_PASSWORD}@example.org", "team": "json://team"}
    tell(project(tmp_path, receivers=settings), events(DAYS[0]), NOW, receivers.send)
    assert set(receivers.taken) == {"team"}


def test_a_damaged_file_has_what_goes_on_told_again(tmp_path: Path, receivers: Receivers) -> None:
    told = project(tmp_path)
    tell(told, events(DAYS[0]), NOW, receivers.send)
    (told.home.path / "alerts.json").write_text("{")
    tell(told, events(DAYS[0]), NOW, receivers.send)
    assert receivers.taken["mail"] == [f"shop: {DAYS[0].id}"] * 2


def test_two_processes_do_not_tell_at_once(tmp_path: Path, receivers: Receivers) -> None:
    told = project(tmp_path)
    with locked(told.home.path / "alerts.lock", "it"), pytest.raises(LockedError):
        tell(told, events(DAYS[0]), NOW, receivers.send)
    assert not receivers.taken


def test_a_receiver_that_hangs_does_not_hold_up_the_others(
    tmp_path: Path, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 8))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    receivers.down = {"mail"}
    for _ in range(2):
        tell(project(tmp_path), events(*DAYS), NOW, receivers.send)
    assert receivers.taken["team"], "the one that refuses comes last at the next look"
