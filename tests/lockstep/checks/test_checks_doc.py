"""docs/checks.md says of every check what it means and what to do."""

from pathlib import Path

import pytest

from lockstep.checks.specs import CHECKS, Check

TEXT = (Path(__file__).parents[3] / "docs" / "checks.md").read_text()
SECTIONS = {
    title.strip(): " ".join(body.split())
    for title, _, body in (section.partition("\n") for section in TEXT.split("\n## ")[1:])
}


def test_every_check_has_a_section_and_every_section_is_of_a_check() -> None:
    assert set(SECTIONS) == {check.name for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_section_has_the_checks_meaning_remedy_and_consequence(check: Check) -> None:
    section = SECTIONS[check.name]
    assert check.meaning in section
    assert f"**When it fails:** {check.remedy}" in section
    assert ("*Blocking.*" in section) is check.blocking
