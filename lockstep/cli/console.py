"""The output of the command line for people.

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

from lockstep.columns.plain import counted, cut, listed, plain

if TYPE_CHECKING:
    from lockstep.checks.reports import CheckReport
    from lockstep.dagster.run_reports import RunReport
    from lockstep.parity.comparison import Comparison
    from lockstep.scoring.sides import TwoSides
    from lockstep.scoring.trace import TracedRow
    from lockstep.tables.found import LookedUp

_ANY_WIDTH = 1_000_000
_MOST_SHOWN = 800
"""Characters of a finding that are shown on a terminal, at most."""
_MOST_TIMES = 5
"""Days of a warning that are shown where many were scored."""
_CLOSED_PIPE = 141
"""Exit status where nobody reads on: a shell reports it of a program that SIGPIPE ended."""
_MARKS = {
    "passed": "[green]passed[/]",
    "not_judged": "not judged",
    "warned": "[yellow]warned[/]",
    "failed": "[red]FAILED[/]",
}
_CONTROLS = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
_CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
"""Unicode's pictures of control characters, and its replacement where there is none."""


class PlainConsole(Console):
    """Standard output or error, of a line as long as it is where nobody sees it wrapped.

    Control characters of a text are shown as pictures, such as ␛: values of a file that somebody
    sent may hold commands to a terminal.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text of what is printed; see Rich."""
        return super().render_str(text.translate(_CONTROLS), **options)

    def on_broken_pipe(self) -> NoReturn:
        """End quietly: the reader has read enough, as `head` does."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_CLOSED_PIPE)


OUT = PlainConsole(highlight=False, width=None if sys.stdout.isatty() else _ANY_WIDTH)
ERR = PlainConsole(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _ANY_WIDTH)


def say(text: str) -> None:
    """Print a line of plain text."""
    OUT.print(text, soft_wrap=True, markup=False)


def show_json(value: Any) -> None:
    """Print a value as strict JSON."""
    OUT.out(json.dumps(plain(value), indent=1, allow_nan=False))


def show_interruption(message: str) -> None:
    """Print that a command was interrupted, and a message."""
    ERR.print(f"interrupted: {message}", soft_wrap=True, markup=False)


def show_error(message: str) -> None:
    """Print an error in one line."""
    ERR.print(f"[red]error:[/] {escape(message)}", soft_wrap=True)


def show_checks(
    checks: Sequence[CheckReport],
    *,
    passed_too: bool = False,
    partitions: bool = False,
    dagster: str | None = None,
) -> None:
    """Print checks, the worst last: the number of passed ones, unjudged ones, warnings, failures.

    Where the address of Dagster's UI is given, failures are printed with their pages.
    """
    passed, unjudged, *others = (
        [check for check in checks if check.result == mark] for mark in _MARKS
    )
    if passed_too:
        _show_findings(passed, partitions, dagster)
    elif passed:
        OUT.print(f"[green]{counted(len(passed), 'check')} passed[/]")
    for group in (_together(unjudged), *others):
        _show_findings(group, partitions, dagster)


def _together(checks: Sequence[CheckReport]) -> list[CheckReport]:
    """Joins checks with the same summary, such as all those after one that failed."""
    same: dict[tuple[str, str | None, str], list[str]] = {}
    for check in checks:
        same.setdefault((check.asset, check.partition, check.summary), []).append(check.check)
    first = {(check.asset, check.partition, check.summary): check for check in reversed(checks)}
    return [replace(first[key], check=", ".join(names)) for key, names in same.items()]


def show_many_checks(reports: Sequence[RunReport], dagster: str | None = None) -> None:
    """Print the checks of many runs: counts, warnings with their days, failures in full."""
    checks = [check for report in reports for check in report.checks]
    passed = sum(check.result == "passed" for check in checks)
    if passed:
        OUT.print(f"[green]{counted(passed, 'check')} passed[/]")
    for result in ("not_judged", "warned"):
        groups: dict[tuple[str, str], list[CheckReport]] = {}
        for finding in checks:
            if finding.result == result:
                groups.setdefault((finding.asset, finding.check), []).append(finding)
        for (asset, check), same in sorted(groups.items(), key=lambda item: -len(item[1])):
            when = f": {listed(map(_when, same), _MOST_TIMES)}" if result == "warned" else ""
            line = f"{escape(asset)}  [bold]{check}[/]  {times(len(same))}{escape(when)}"
            OUT.print(f"{_MARKS[result]}  {line}", soft_wrap=True)
    _show_findings([check for check in checks if check.result == "failed"], True, dagster)


def show_errors(reports: Sequence[RunReport]) -> None:
    """Print the errors of runs."""
    for report in reports:
        if report.error is not None:
            where = f"{report.partition}: " if len(reports) > 1 else ""
            show_error(f"{where}{report.error}")


def show_trace(row: TracedRow) -> None:
    """Print a row, a line a column; where the stored and the new value differ, both."""
    if row.comparison is None:
        _show_aside(row)
        return
    values = {name: (stored, row.computed[name]) for name, stored in row.stored.items()}
    say(f"{row.key}, scored by version {row.version}")
    _show_both(("stored", "computed now"), values, row.graph.roles, row.comparison)
    _show_looked_up(row.looked_up)


def _show_aside(row: TracedRow) -> None:
    """Print a row that was set aside: its columns, where they can be computed, and the reasons."""
    say(f"{row.key}, not scored by version {row.version}")
    roles = row.graph.roles
    show_table(
        [
            {"column": name, "role": roles.get(name, "column"), "value": str(value)}
            for name, value in row.computed.items()
        ]
    )
    _show_looked_up(row.looked_up)
    say(row.summary)


def show_sides(record: TwoSides) -> None:
    """Print a record by two sides, a line a column; where the values differ, both."""
    say(record.key)
    _show_both(record.names, record.values, record.roles, record.comparison)
    _show_looked_up(record.looked_up)
    say(record.impact)


def _show_looked_up(rows: Sequence[LookedUp]) -> None:
    """Print the rows of tables that look-ups and windows read."""
    if rows:
        show_table([read.told() for read in rows])


def _show_both(
    titles: tuple[str, str],
    values: Mapping[str, tuple[Any, Any]],
    roles: Mapping[str, str],
    comparison: Comparison,
) -> None:
    """Print columns with both values, the comparison's summary, and a test of the difference."""
    divergent = {difference.column for difference in comparison.divergent}
    table = _table("column", "role", *titles)
    for name, (first, second) in values.items():
        other = "same" if first == second else str(second)
        table.add_row(
            *(_text(cell) for cell in (name, roles[name], str(first))),
            _text(other, "red" if name in divergent else ""),
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


def _table(*titles: str) -> Table:
    return Table(*titles, box=None, pad_edge=False)


def show_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print a table of texts; the keys of the first row are its head."""
    table = _table(*rows[0])
    for row in rows:
        table.add_row(*map(Text, row.values()))
    OUT.print(table)


def near(path: str) -> str:
    """A path relative to the working directory, if it lies below that."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _show_findings(checks: Iterable[CheckReport], partitions: bool, dagster: str | None) -> None:
    for check in checks:
        where = f" {check.partition}" if partitions and check.partition else ""
        line = f"{_MARKS[check.result]}  {escape(check.asset + where)}  [bold]{check.check}[/]"
        OUT.print(line, soft_wrap=True)
        for text in (_shown(check), *_advice(check)):
            OUT.print(Padding.indent(_text(text), 8))
        if check.result == "failed" and dagster is not None:
            OUT.print(Padding.indent(_text(f"{dagster}{check.page}"), 8), soft_wrap=True)


def _text(text: str, style: str = "") -> Text:
    """A text without markup, as `PlainConsole` prints one."""
    return Text(text.translate(_CONTROLS), style)


def _advice(check: CheckReport) -> list[str]:
    """Where the finding of a check is, and what to do about it."""
    titled = (("Where", check.where), ("What to do", check.todo))
    return [f"{title}: {text}" for title, text in titled if text is not None]


def _shown(check: CheckReport) -> str:
    """The finding of a check; if it is long, cut on a terminal, with a command for the rest."""
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
    named = f" ({check.column})" if check.column else ""
    return f"{check.partition or check.asset}{named}"


def times(number: int) -> str:
    """How often, in words."""
    return "once" if number == 1 else f"{number} times"
