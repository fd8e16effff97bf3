"""Sending: what Apprise hands over, and what is said of a receiver that does not take it."""

import base64

import pytest

from lockstep.pages.alerts import send
from lockstep.project.alerting import Alerting
from tests.fixtures.ports import free_port
from tests.fixtures.receivers import HttpReceiver

SECRET = "s3cr3t-of-the-receiver"


def to(address: str) -> Alerting:
    return Alerting({"team": address})


def test_a_receiver_gets_title_and_text_as_they_are(receiver: HttpReceiver) -> None:
    text = "2020-03-01: <b> is *not* a tag\nWhere: price\nWhat to do: `lockstep score`"
    assert send(to(receiver.address), "team", "orders: blocked", text) is None
    (taken,) = receiver.taken
    assert (taken["title"], taken["message"]) == ("orders: blocked", text)


def test_a_secret_comes_from_the_environment(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_PASSWORD", SECRET)
    address = receiver.address.replace("//", "//alerts:${TEAM_PASSWORD}@")
    assert send(to(address), "team", "title", "text") is None
    given = base64.b64decode(receiver.headers[0]["Authorization"].removeprefix("Basic "))
    assert given.decode() == f"alerts:{SECRET}"


def test_a_receiver_that_refuses_is_told_with_its_reason(receiver: HttpReceiver) -> None:
    receiver.status = 403
    why = send(to(receiver.address), "team", "title", "text")
    assert why is not None
    assert "403" in why


def test_a_receiver_that_is_down_is_told() -> None:
    why = send(to(f"json://127.0.0.1:{free_port()}/"), "team", "title", "text")
    assert why is not None
    assert "127.0.0.1" in why


def test_a_reason_never_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_HOST", f"{SECRET}.invalid")
    why = send(to("json://${TEAM_HOST}/?cto=1"), "team", "title", "text")
    assert why is not None
    assert SECRET not in why
    assert "***" in why


@pytest.mark.parametrize("address", ["nonsense", "carrier-pigeon://loft"])
def test_an_address_that_apprise_does_not_know_is_a_refusal(address: str) -> None:
    why = send(to(address), "team", "title", "text")
    assert why is not None
    assert why.startswith("its address in [tool.lockstep.alerts] has ")
