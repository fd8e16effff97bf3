"""`lockstep alerts`, and the receivers that a project declares."""

import json
from pathlib import Path

import pytest

from lockstep.errors import ProjectError
from lockstep.project.project import Project
from lockstep.store.lock import locked
from tests.fixtures.commands import Lockstep
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import Checkout, Workplace
from tests.fixtures.ports import free_port
from tests.fixtures.receivers import HttpReceiver

DAY = "2020-03-03"


def declare(folder: Path, text: str) -> None:
    """Add a section to the settings of a checkout."""
    with (folder / "pyproject.toml").open("a") as file:
        file.write(f"\n[tool.lockstep.alerts]\n{text}\n")


def receivers(**addresses: str) -> str:
    lines = (f'{name} = "{address}"' for name, address in addresses.items())
    return "[tool.lockstep.alerts.receivers]\n" + "\n".join(lines)


@pytest.fixture
def checkout(scored: Workplace, lockstep: Lockstep, tmp_path: Path) -> Checkout:
    """A checkout of its own, with two days scored, in which commands are run."""
    found = Checkout(tmp_path / "checkout", scored.home.path)
    lockstep.go_to(found.folder, scored.home.path)
    return found


def test_a_test_says_of_each_receiver_what_came_of_it(
    checkout: Checkout, lockstep: Lockstep, receiver: HttpReceiver
) -> None:
    down = f"json://127.0.0.1:{free_port()}/"
    declare(checkout.folder, receivers(team=receiver.address, mail=down, chat="json://${CHAT}"))
    answer = lockstep("alerts", "test")
    team, mail, chat = answer.out.splitlines()
    assert team == "team: sent."
    assert mail.startswith("mail was not reached: ")
    assert chat.startswith("Alerts to chat are not sent: CHAT is not set")
    assert (answer.status, receiver.titles) == (1, ["orders: a test"])


def test_a_test_succeeds_if_every_receiver_takes_it(
    checkout: Checkout, lockstep: Lockstep, receiver: HttpReceiver
) -> None:
    declare(checkout.folder, receivers(team=receiver.address))
    assert lockstep("alerts", "test").status == 0


def test_a_receiver_without_its_secret_is_a_line_at_up_and_nothing_else_stops(
    scored: Workplace, checkout: Checkout, lockstep: Lockstep
) -> None:
    declare(checkout.folder, receivers(chat="json://${CHAT}"))
    with locked(scored.home.served, "the home"):
        up = lockstep("up")
    assert up.out.count("Alerts to chat are not sent: CHAT is not set") == 1
    assert (up.status, "runs already" in up.out) == (0, True)


def test_without_receivers_there_is_nothing_to_test(checkout: Checkout, lockstep: Lockstep) -> None:
    assert lockstep("alerts", "test").error.endswith("has no receivers.")


def test_what_is_open_is_listed_though_nobody_is_told(
    scored: Workplace, checkout: Checkout, lockstep: Lockstep
) -> None:
    assert lockstep("alerts").out.startswith("0 events open.\nNobody is told")
    rows = orders_of(DAY)
    scored.deliver(DAY, rows.assign(weight=rows["weight"] * 1000))
    assert not scored.score(DAY).ok
    shown = lockstep("alerts").out
    assert f"orders blocked daily/{DAY}\n{DAY} is blocked by " in shown
    assert "\nWhere: " in shown
    assert "\nWhat to do: " in shown
    listed = json.loads(lockstep("alerts", "--json").out)
    assert [*listed["open"]] == [f"orders blocked daily/{DAY}"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('event = ["blocked"]', "unknown field `event`"),
        ('events = ["blokced"]', "Invalid enum value 'blokced'"),
        ('receivers = ["mail"]', "Expected `object`, got `array`"),
        ("[tool.lockstep.alerts.receivers]\nmail = 3", "Expected `str`, got `int`"),
    ],
)
def test_settings_without_meaning_are_told_with_their_place(
    checkout: Checkout, text: str, wrong: str
) -> None:
    declare(checkout.folder, text)
    with pytest.raises(ProjectError) as raised:
        Project.find(checkout.folder)
    assert wrong in str(raised.value)
    assert f"{checkout.folder / 'pyproject.toml'}, [tool.lockstep.alerts]: " in str(raised.value)
