"""The plan of `docs/at-scale.md` gives back the cluster that its seconds were made of."""

import re
from pathlib import Path

import pytest

from lockstep.columns.units import ROWS
from lockstep.scoring.restated import FILES

PAGE = (Path(__file__).parents[2] / "docs" / "at-scale.md").read_text()
(PLAN,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def planned(start: float, serial: float, parallel: float) -> list[str]:
    """What the plan prints for a pipeline of these seconds a batch and a million rows."""
    seconds = {
        workers: {rows: start + (serial + parallel / workers) * rows for rows in (3.4, 10)}
        for workers in (1, 2)
    }
    code = PLAN
    for workers in (1, 2):
        code, changed = re.subn(
            rf"^T{workers} = .*?(?=  #)", f"T{workers} = {seconds[workers]}", code, flags=re.M
        )
        assert changed == 1
    printed: list[str] = []
    exec(code, {"print": printed.append})
    return printed


def test_the_plan_finds_what_a_driver_and_what_workers_take() -> None:
    first, most, lanes, cores = planned(20, 4, 18)

    assert first == "F = 20.0 s; s = 4.00 s and p = 18.00 s a million rows"
    assert most == "one lane is through at most 3,600 million rows in 6 hours"
    # 6,000 of 21,600 seconds are serial: 18,000 seconds of cores are left to 15,600.
    assert lanes == "1 lanes, each with 1.7 serial hours; 2 cores"
    assert cores == "18 hours of a core: 0.90"


def test_a_driver_that_takes_longer_than_there_is_time_becomes_several() -> None:
    _, most, lanes, _ = planned(60, 30, 90)

    assert most == "one lane is through at most 600 million rows in 6 hours"
    assert lanes == "4 lanes, each with 2.5 serial hours; 8 cores"


@pytest.mark.parametrize(
    "figure",
    [f"{ROWS / 1e6:g} million (`lockstep.columns.units.ROWS`)", f"those of the {FILES} files"],
)
def test_the_page_has_the_figures_of_the_code(figure: str) -> None:
    assert figure in PAGE
