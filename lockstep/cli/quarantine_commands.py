"""Commands about rows that were set aside: list them, show one, and put rows back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import (
    FAILED,
    WHICH_PARTITION,
    AsJson,
    Attempt,
    Day,
    PipelineName,
    ScoredFile,
)
from lockstep.cli.finding_commands import named_partition
from lockstep.cli.row_commands import score_each
from lockstep.errors import LockstepError

if TYPE_CHECKING:
    from lockstep.project.declaration import PipelineAssets
    from lockstep.store.put_back import RowBack
    from lockstep.store.quarantine import AsideRow

quarantine = typer.Typer(help="Rows that were set aside: list them, show one, put them back.")
_MOST_SHOWN = 50
"""Rows that a list shows; JSON has all."""
_AsideKey = Annotated[str, typer.Option(help="Key of the row.")]


@quarantine.command("list")
def list_aside(
    pipeline: PipelineName,
    day: Day = None,
    file: ScoredFile = None,
    attempt: Attempt = None,
    as_json: AsJson = False,
) -> None:
    """List the rows that the last attempts set aside, each with its reasons.

    With --json each has its values as delivered, to be corrected and put back.
    """
    from dataclasses import asdict

    from lockstep.cli.console import say, show_json, show_table
    from lockstep.columns.plain import counted, cut

    declared = context.pipeline(pipeline)
    rows = list(_aside(declared, named_partition(pipeline, day, file), attempt))
    if as_json:
        show_json([{"partition": partition, **asdict(row)} for partition, row in rows])
        return
    say(f"{counted(len(rows), 'row')} of {declared.name} set aside.")
    if rows:
        show_table(
            [
                {
                    "partition": partition,
                    "key": str(row.key),
                    "row": str(row.row),
                    "step": row.step,
                    "fate": row.fate,
                    "reasons": cut(row.reasons, 200),
                }
                for partition, row in rows[:_MOST_SHOWN]
            ]
        )
    if len(rows) > _MOST_SHOWN:
        say(f"{counted(len(rows) - _MOST_SHOWN, 'more row')}: --json lists all.")


@quarantine.command()
def show(
    pipeline: PipelineName,
    key: _AsideKey,
    day: Day = None,
    file: ScoredFile = None,
    attempt: Attempt = None,
) -> None:
    """Show a row that was set aside as JSON: its reasons, and its values as delivered."""
    from dataclasses import asdict

    from lockstep.cli.console import show_json

    declared = context.pipeline(pipeline)
    aside = _aside(declared, named_partition(pipeline, day, file), attempt)
    rows = [(name, row) for name, row in aside if row.key == key]
    if not rows:
        raise LockstepError(
            f"No row of {declared.name} with the key {key!r} is set aside there; see: lockstep "
            f"quarantine list {declared.name}"
        )
    show_json([{"partition": partition, **asdict(row)} for partition, row in rows])


@quarantine.command()
def retry(
    pipeline: PipelineName,
    day: Day = None,
    file: ScoredFile = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="Key of a row to accept as it is, whatever rule it breaks; repeatable."),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(help="A CSV, Parquet or JSON lines file of corrected rows, found by key."),
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(
            help="Which row the single one of --rows corrects, by its number in the list: where "
            "its key is wrong, or cannot be read."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put rows back, corrected or as they are, and score their day or file anew.

    They stay put back in every later attempt, as long as the source delivers them as it did.
    1 if one is set aside again, or a check is in error.
    """
    from lockstep.checks.streams import stream_records
    from lockstep.cli.console import ERR
    from lockstep.store.put_back import put_back

    declared = context.pipeline(pipeline)
    if (day is None) == (file is None):
        raise LockstepError(WHICH_PARTITION)
    if not key and rows is None:
        raise LockstepError(
            "Say which rows: --key KEY for one to accept as it is, or --rows FILE with corrected "
            "ones."
        )
    if row is not None and rows is None:
        raise LockstepError("--row goes with --rows FILE: it says which row that corrects.")
    partition = named_partition(pipeline, day, file)
    assert partition is not None, "a day or a file is given"
    aside = [row for _, row in _aside(declared, partition, None)]
    back = [_accepted(aside, name) for name in key or ()]
    if rows is not None:
        back += _corrected(declared, aside, rows, row)
    stream = "daily" if day is not None else "inbox"
    put_back(stream_records(declared, context.store(declared.name), stream), partition, back)
    try:
        named = None if stream == "daily" else partition
        score_each(declared, stream, [partition], [], named, as_json=as_json)
    finally:
        before = {found.digest for found in aside} - {found.digest for found in back}
        keys = {_key(declared, found) for found in back}
        again = [
            found
            for _, found in _aside(declared, partition, None)
            if found.key in keys and found.digest not in before
        ]
        for found in again:
            ERR.print(
                f"{found.key} is set aside again: {found.reasons}", soft_wrap=True, markup=False
            )
    if again:
        raise typer.Exit(FAILED)


def _key(declared: PipelineAssets, back: RowBack) -> str | None:
    """The key of a row once it is put back."""
    return back.key if back.record is None else str(back.record[declared.pipeline.key])


def _aside(
    declared: PipelineAssets, named: str | None, number: int | None
) -> Iterator[tuple[str, AsideRow]]:
    """The rows that the last attempts set aside, of one partition or of all, with these."""
    from lockstep.checks.streams import stream_records, streams
    from lockstep.store.quarantine import all_aside

    if number is not None and named is None:
        raise LockstepError(WHICH_PARTITION)
    is_known = named is None
    for stream in streams(declared):
        records = stream_records(declared, context.store(declared.name), stream.name)
        for partition in records.attempted():
            if named not in (None, partition):
                continue
            is_known = True
            attempts = (
                records.newest_first(partition)
                if number is None
                else iter([records.attempt(partition, number)])
            )
            attempt = next((one for one in attempts if "batch" in one.record.steps), None)
            if attempt is not None:
                schema = declared.pipeline.record_schema
                yield from ((partition, row) for row in all_aside(attempt, schema))
    if not is_known:
        raise LockstepError(f"{declared.name} has made no attempt at {named} yet.")


def _accepted(aside: list[AsideRow], key: str) -> RowBack:
    from lockstep.store.put_back import RowBack

    found = _find(aside, key, None)
    if found.fate == "duplicate":
        raise LockstepError(
            f"{key} is set aside since an earlier row has its key; correct that: --rows FILE "
            f"--row {found.row}"
        )
    if found.acceptable is False:
        raise LockstepError(
            f"{key} cannot be accepted as it is ({found.reasons}): it would be set aside again. "
            f"Correct it in a file: --rows FILE --row {found.row}"
        )
    return RowBack(found.key, found.digest, None)


def _corrected(
    declared: PipelineAssets, aside: list[AsideRow], path: Path, number: int | None
) -> list[RowBack]:
    from lockstep.columns.files import decode_file
    from lockstep.parity.wire import wire_records
    from lockstep.store.put_back import RowBack

    schema = declared.pipeline.record_schema
    decoded = decode_file(path, schema, declared.inbox)
    if decoded.rejected:
        raise LockstepError(f"{path}: {decoded.rejected[0]}. Correct it, and try again.")
    records = wire_records(decoded.columns, schema)
    if number is not None and len(records) != 1:
        raise LockstepError(f"{path} has {len(records)} rows; --row is for a single one.")
    keys = map(str, decoded.columns[declared.pipeline.key])
    found = [_find(aside, key, number) for key in keys]
    return [
        RowBack(row.key, row.digest, record) for row, record in zip(found, records, strict=True)
    ]


def _find(aside: list[AsideRow], key: str, number: int | None) -> AsideRow:
    """The row set aside of a key, or of a number in the delivery."""
    found = [row for row in aside if (row.key == key if number is None else row.row == number)]
    what = f"with the key {key!r}" if number is None else f"of the number {number}"
    if not found:
        raise LockstepError(f"No row {what} is set aside there; see lockstep quarantine list.")
    if len(found) > 1:
        rows = ", ".join(str(row.row) for row in found)
        raise LockstepError(f"Rows {rows} {what} are set aside; correct one at a time with --row.")
    return found[0]
