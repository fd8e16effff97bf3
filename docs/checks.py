"""Writes docs/checks.md: what every check looks at and what to do, from the checks' own words.

make docs
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lockstep.checks.messages import Place
from lockstep.checks.specs import CHECKS, CHECKS_BY_ASSET, Check

CHECKS_FILE = Path(__file__).with_name("checks.md")

_INTRODUCTION = """\
# Checks

What each check looks at, and what to do when it fails. (This page is written by `make docs`, from
the code.)

A check that fails is in *error* or a *warning*. An error of a *blocking* check stops what comes
after it: no version is fitted to such rows, no partition with such rows is published. No version
goes live with any check of the gate (`champion`) in error. A warning never blocks.

## How to read a failed check

A failure is told in three lines, on the [page for all pipelines](overview.md), in Dagster, in
alerts and in `lockstep checks PIPELINE`:

```text
FAILED  flight_delay/training_set  row_locality
        column `dew_point_spread` (transforms/flight_delay.py:348) differs in 80,789 of 80,789
        rows; first at key 2013-01-01 UA 1545 EWR-IAH 0515: expected -2.907618611444624, got 0.0;
        its inputs weather_temp, weather_dewp agree; when computed among other rows, ...
        Where: column dew_point_spread; transforms/flight_delay.py:348; keys 2013-01-01 UA 1545 ...
        What to do: Rewrite the named feature so that it reads its own row only. ...
```

1. **What was found.** The first line names asset and check: below, each check says what it looks
   at. In the sentence, the column comes first: of all that differ, the one that differs first in
   the graph. Others come from it. *Its inputs agree*: the fault is in its own function, or in what
   that runs with. An input that differs, too, was given so: look at its source.
2. **Where.** The column, its function by file and line, and keys of a few rows. A key goes into
   `lockstep trace PIPELINE --day DAY --key KEY`, which shows every column of that row, as stored
   and computed anew.
3. **What to do.** What this page says below, with the names filled in, and the command to type.
   While `lockstep up` runs, a link to the check's page in Dagster follows.

The [tutorial](tutorial.md) goes through four failures from the alarm to the repair.

## What stands beside it

What a finding does to decisions stands beside it: outputs that flip, how far scores move, and the
segment of the rows where most. Two computations of the same rows are compared as they are. Of a
population it is told what the outputs of these rows would be, had the named columns other values:
the training's mix, rank by rank, where a distribution is another one (drift, a sudden shift); its
median or commonest category, where rows break a constraint; what they were, where rows came again.
At most 500 rows are computed for it, and only for the first finding of a check.

Each check of rows tells among its figures how many rows and columns it looked at, and
`environment_parity` how many facts. In Dagster, the details of `input_drift` and `prediction_drift`
list every column with its distance, its limit, and small histograms of training and of the batch;
those of a check of parity list a few rows with inputs, expected and actual values, a record and a
test to try, and a picture of the columns around the first that differs, with the values of one
record on both sides. What was made, or blocked, has a link to the page of its first finding, where
columns by days are drawn: what was found of which, by which check.

The details of `constraints` and `sudden_shift` have a row for each statistic of a finding: its name
to accept, what it is, its figure, what is usual, and how unusual it is, as a share of its limit.
Then follow the statistics that are nearest to their limits.

A check that had nothing to compare is *not judged*, which is neither passed nor failed: Dagster
shows it as skipped, or as not executed where another check has stopped the run, and what was
lacking is told with the asset, under *other findings*. Where only some columns could be judged, the
check lists the others with the reason. A check that could never be judged for a pipeline is not
declared on its assets.

## All checks
"""


def checks_page() -> str:
    """The whole page."""
    table = ["| asset | its checks (**blocking**) |", "|---|---|"]
    table += [
        f"| `{asset}` | {', '.join(map(_link, checks))} |"
        for asset, checks in CHECKS_BY_ASSET.items()
    ]
    return "\n".join((_INTRODUCTION, *table, "", "\n\n".join(map(_section, CHECKS)), ""))


def _link(check: Check) -> str:
    link = f"[{check.name}](#{check.name})"
    return f"**{link}**" if check.blocking else link


def _section(check: Check) -> str:
    assets = [asset for asset, checks in CHECKS_BY_ASSET.items() if check in checks]
    where = ", ".join(f"`{asset}`" for asset in assets)
    need = f", for a pipeline with {check.need.words}" if check.need is not None else ""
    return "\n\n".join(
        (
            f"## {check.name}",
            f"*On {where}{need}.{' Blocking.' if check.blocking else ''}*",
            check.meaning,
            f"**When it fails:** {check.remedy.replace('AGAIN', _again(assets))}",
        )
    )


def _again(assets: Sequence[str]) -> str:
    """The commands that make assets anew."""
    commands = (Place(f"PIPELINE/{asset}").again for asset in assets)
    return " or ".join(f"`{command}`" for command in dict.fromkeys(commands))


if __name__ == "__main__":
    CHECKS_FILE.write_text(checks_page(), encoding="utf-8")
