"""What the command line shows to people.

On a terminal, lines are wrapped at its width; in a pipe or a file a line is a line, however long.
Colours follow `NO_COLOR` and `FORCE_COLOR`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lockstep.columns.plain import cut, listed, plain

if TYPE_CHECKING:
    from lockstep.dagster.runs import CheckReport, RunReport
    from lockstep.parity.comparison import Comparison
    from lockstep.scoring.sides import TwoSides
    from lockstep.scoring.trace import TracedAside, TracedRow

_ANY_WIDTH = 1_000_000
_MOST_SHOWN = 800
"""Characters of a finding that are shown on a terminal."""
_MOST_TIMES = 5
"""Days of a warning that are told where many were scored."""
_CLOSED_PIPE = 141
"""Exit status where nobody reads on: what a shell reports of a program that SIGPIPE ended."""
_MARKS = {
    "passed": "[green]passed[/]",
    "not_judged": "not judged",
    "warned": "[yellow]warned[/]",
    "failed": "[red]FAILED[/]",
}


class _Stream(Console):
    def on_broken_pipe(self) -> NoReturn:
        """End quietly: whoever reads has read enough, as `head` does."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_CLOSED_PIPE)


OUT = _Stream(highlight=False, width=None if sys.stdout.isatty() else _ANY_WIDTH)
ERR = _Stream(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _ANY_WIDTH)


def say(text: str) -> None:
    """A line of plain text."""
    OUT.print(text, soft_wrap=True, markup=False)


def show_json(value: Any) -> None:
    """A value as strict JSON, and nothing else."""
    OUT.out(json.dumps(plain(value), indent=1, allow_nan=False))


def show_interruption(message: str) -> None:
    """What an interrupt leaves, and how to go on."""
    ERR.print(f"interrupted: {message}", soft_wrap=True, markup=False)


def show_error(message: str) -> None:
    """One clear line on what is wrong."""
    ERR.print(f"[red]error:[/] {escape(message)}", soft_wrap=True)


def show_checks(
    checks: Sequence[CheckReport],
    *,
    passed_too: bool = False,
    partitions: bool = False,
    dagster: str | None = None,
) -> None:
    """What checks found, the worst last: how many passed, what was not judged, warnings, failures.

    Args:
        checks: The checks.
        passed_too: Whether to show also what each of those that passed found.
        partitions: Whether to tell of each which partition it was about.
        dagster: The address of Dagster's UI, if it runs: failures are told with their pages.
    """
    passed, unjudged, *others = (
        [check for check in checks if check.result == mark] for mark in _MARKS
    )
    if passed_too:
        _show_findings(passed, partitions, dagster)
    elif passed:
        OUT.print(f"[green]{_count(len(passed), 'check')} passed[/]")
    for found in (_together(unjudged), *others):
        _show_findings(found, partitions, dagster)


def _together(checks: Sequence[CheckReport]) -> list[CheckReport]:
    """Checks as one that lacked the same: all after one that failed, above all."""
    same: dict[tuple[str, str | None, str], list[str]] = {}
    for check in checks:
        same.setdefault((check.asset, check.partition, check.summary), []).append(check.check)
    first = {(check.asset, check.partition, check.summary): check for check in reversed(checks)}
    return [replace(first[found], check=", ".join(names)) for found, names in same.items()]


def show_many_checks(reports: Sequence[RunReport], dagster: str | None = None) -> None:
    """What the checks of many runs found: counted, warnings with their days, failures in full."""
    checks = [check for report in reports for check in report.checks]
    passed = sum(check.result == "passed" for check in checks)
    if passed:
        OUT.print(f"[green]{_count(passed, 'check')} passed[/]")
    for result in ("not_judged", "warned"):
        found: dict[tuple[str, str], list[CheckReport]] = {}
        for one in checks:
            if one.result == result:
                found.setdefault((one.asset, one.check), []).append(one)
        for (asset, check), same in sorted(found.items(), key=lambda item: -len(item[1])):
            when = f": {listed(map(_when, same), _MOST_TIMES)}" if result == "warned" else ""
            line = f"{escape(asset)}  [bold]{check}[/]  {times(len(same))}{escape(when)}"
            OUT.print(f"{_MARKS[result]}  {line}", soft_wrap=True)
    _show_findings([check for check in checks if check.result == "failed"], True, dagster)


def show_errors(reports: Sequence[RunReport]) -> None:
    """Why runs broke off, those that did."""
    for report in reports:
        if report.error is not None:
            where = f"{report.partition}: " if len(reports) > 1 else ""
            show_error(f"{where}{report.error}")


def show_trace(row: TracedRow) -> None:
    """One row, a line a column; where it was computed otherwise than now, both values."""
    values = {name: (stored, row.computed[name]) for name, stored in row.stored.items()}
    say(f"{row.key}, scored by version {row.version}")
    _show_both(("stored", "computed now"), values, row.roles, row.comparison)


def show_sides(record: TwoSides) -> None:
    """One record by two sides, a line a column; of equal values one is shown."""
    say(record.key)
    _show_both(record.names, record.values, record.roles, record.comparison)
    say(record.impact)


def _show_both(
    titles: tuple[str, str],
    values: Mapping[str, tuple[Any, Any]],
    roles: Mapping[str, str],
    comparison: Comparison,
) -> None:
    """Columns with both of their values, what their comparison says, and a test of a difference.

    A difference within the digits that a column is allowed is not marked.
    """
    divergent = {one.column for one in comparison.divergent}
    table = Table(box=None, pad_edge=False)
    for title in ("column", "role", *titles):
        table.add_column(title)
    for name, (first, second) in values.items():
        other = "same" if first == second else str(second)
        table.add_row(
            *(Text(cell) for cell in (name, roles[name], str(first))),
            Text(other, "red" if name in divergent else ""),
        )
    OUT.print(table)
    say(comparison.summary)
    first = comparison.first
    if first is not None and first.reproducer is not None:
        say(
            f"A test that fails while {first.column} of this checkout differs; to run it, save it "
            f"as tests/test_{first.column}.py in the project's folder, and there: "
            f"pytest tests/test_{first.column}.py"
        )
        say(first.reproducer.test)


def show_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Rows of texts, each under the names of its columns."""
    table = Table(box=None, pad_edge=False)
    for title in rows[0]:
        table.add_column(title)
    for row in rows:
        table.add_row(*map(Text, row.values()))
    OUT.print(table)


def show_aside(row: TracedAside) -> None:
    """One row that was set aside: why, and its columns as far as they can be computed."""
    table = Table(box=None, pad_edge=False)
    for title in ("column", "role", "value"):
        table.add_column(title)
    for name, value in row.columns.items():
        table.add_row(*(Text(cell) for cell in (name, row.roles[name], str(value))))
    say(f"{row.row.key}, not scored by version {row.version}")
    OUT.print(table)
    say(row.summary)


def near(path: str) -> str:
    """A path as seen from where the command runs, if it lies below that."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _show_findings(checks: Iterable[CheckReport], partitions: bool, dagster: str | None) -> None:
    for check in checks:
        where = f" {check.partition}" if partitions and check.partition else ""
        line = f"{_MARKS[check.result]}  {escape(check.asset + where)}  [bold]{check.check}[/]"
        OUT.print(line, soft_wrap=True)
        for told in (_shown(check), *_advice(check)):
            OUT.print(Padding.indent(Text(told), 8))
        if check.result == "failed" and dagster is not None:
            OUT.print(Padding.indent(Text(f"{dagster}{check.page}"), 8), soft_wrap=True)


def _advice(check: CheckReport) -> list[str]:
    """Where a check found what it found, and what to do about it, if it did not pass."""
    titled = (("Where", check.where), ("What to do", check.todo))
    return [f"{title}: {text}" for title, text in titled if text is not None]


def _shown(check: CheckReport) -> str:
    """What a check found: cut on a terminal if it is long, with a word on where the rest is."""
    if len(check.summary) <= _MOST_SHOWN or not OUT.is_terminal:
        return check.summary
    pipeline, _, asset = check.asset.partition("/")
    kind = "--file" if asset.startswith("inbox/") else "--day"
    which = f" {kind} '{check.partition}'" if check.partition else ""
    more = len(check.summary) - _MOST_SHOWN
    return (
        f"{cut(check.summary, _MOST_SHOWN)} ({more:,} more characters: lockstep checks {pipeline}"
        f"{which} --json)"
    )


def _when(check: CheckReport) -> str:
    """The partition that a check is about, and the column that it names."""
    named = f" ({check.column})" if check.column else ""
    return f"{check.partition or check.asset}{named}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def times(number: int) -> str:
    """How often, in words."""
    return "once" if number == 1 else f"{number} times"
