"""Sequences of ordinary steps after which something wrong could be published, or nobody was told.

`Site` states what must hold; a test here is no more than what was done.
"""

import pytest

from tests.stateful import deeds
from tests.stateful.site import FILES, Site

FIRST, SECOND = ("daily", "2020-03-01"), ("daily", "2020-03-02")
OTHER, LIVE = 1, 2
"""Version 2 is live before a test, and 1 is sound and never was."""


def test_what_is_wrong_with_a_delivery_is_found_and_the_rest_is_published(site: Site) -> None:
    for number, kind in enumerate(
        ("clean", "bad row", "odd row", "repeated row", "bad half", "wrong mean"), start=1
    ):
        site.deliver(f"2020-03-0{number}", kind, number)
        site.score(("daily", f"2020-03-0{number}"))
    site.deliver("2020-03-01", "wrong unit")
    assert site.score(FIRST).status == 1
    assert site.score(FIRST, accept=True).status == 0


@pytest.mark.long
def test_a_feature_is_edited_and_candidate_alone_materialized(site: Site) -> None:
    site.edition = "edited"
    assert site.materialize("candidate").status == 1
    assert site.versions == [OTHER, LIVE]


@pytest.mark.long
def test_a_feature_is_not_row_local_and_candidate_alone_materialized(site: Site) -> None:
    site.edition = "averaging"
    assert site.train().status == 1
    assert site.materialize("candidate").status == 1
    assert site.versions == [OTHER, LIVE]


@pytest.mark.long
def test_a_day_is_blocked_when_it_is_scored_again_and_the_next_is_like_it(site: Site) -> None:
    site.deliver("2020-03-01")
    site.score(FIRST)
    for _, day in (FIRST, SECOND):
        site.deliver(day, "wrong unit")
        assert site.score(("daily", day)).status == 1


def test_live_is_moved_by_hand_to_a_version_that_never_was(site: Site) -> None:
    site.point("live", OTHER)
    site.deliver("2020-03-01")
    assert site.score(FIRST).status == 1


@pytest.mark.long
def test_the_tags_of_a_proven_version_are_copied(site: Site) -> None:
    site.copy_tags(LIVE, OTHER)
    assert not site.promote(OTHER).has_passed("champion")
    site.point("live", OTHER)
    site.deliver("2020-03-01")
    assert site.score(FIRST).status == 1


@pytest.mark.long
def test_what_the_training_of_a_version_found_is_not_known(site: Site) -> None:
    site.edition = "edited"
    site.forget(OTHER)
    assert site.promote(OTHER).status == 1


@pytest.mark.long
def test_a_registry_is_restored_from_an_older_backup(site: Site) -> None:
    site.edition = "edited"
    site.back_up()
    site.promote(OTHER)
    site.restore()
    site.deliver("2020-03-01")
    assert site.score(FIRST).status == 1


@pytest.mark.parametrize("stage", ["batch", "scored"])
@pytest.mark.long
def test_a_stored_file_is_edited_by_hand(site: Site, stage: str) -> None:
    site.deliver("2020-03-01")
    site.score(FIRST)
    site.edit(FIRST, stage)
    site.materialize("scored" if stage == "batch" else "published", FIRST)
    site.materialize("published", FIRST)


@pytest.mark.long
def test_a_day_is_scored_by_two_at_once(site: Site) -> None:
    site.deliver("2020-03-01")
    site.score_twice(FIRST)


def test_files_come_into_the_inbox_repeated_changed_and_unreadable(site: Site) -> None:
    for kind in ("clean", "bad half", "narrow", "broken"):
        site.drop("first", kind)
    site.drop("first", again=1)
    site.take_in()
    site.drop("first", turn=1)
    site.drop("first", "bad half", again=1)
    site.take_in()


@pytest.mark.long
def test_a_version_that_is_live_is_damaged(site: Site) -> None:
    site.deliver("2020-03-01")
    site.score(FIRST)
    for file in FILES:
        site.damage(LIVE, file)
        site.score(FIRST)
        assert site.look_at_checks().status == 1
        site.mend()
    assert site.score(FIRST).status == 0
    assert site.look_at_checks().status == 0


@pytest.mark.long
def test_a_copied_home_is_worked_in_beside_the_original(site: Site) -> None:
    site.copy()
    site.train()
    site.deliver("2020-03-01")
    site.score(FIRST)


@pytest.mark.long
def test_versions_go_live_while_a_day_is_scored_and_another_version_goes_live(site: Site) -> None:
    site.edition = "edited"
    site.deliver("2020-03-01")
    site.do(deeds.promote(OTHER), site.scoring(FIRST))
    site.do(deeds.promote(LIVE), deeds.promote(OTHER))
    assert site.score(FIRST).status == 0
