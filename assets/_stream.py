"""Streams: the two ways in which rows to score arrive, by day and by file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import dagster as dg

from assets._declaration import PipelineAssets
from assets._home import Home
from assets._inbox import decode_claimed
from assets._source import Source, decode_source
from transforms import Decoded, Schema


@dataclass(frozen=True, eq=False)
class Stream:
    """One way in which rows to score arrive.

    Attributes:
        name: `"daily"` or `"inbox"`.
        unit: What a partition is: a day or a file.
        origin: Where the rows come from, in a line.
        partitions: Its partitions.
        decode: Reads and decodes a partition's rows.
    """

    name: str
    unit: str
    origin: str
    partitions: dg.PartitionsDefinition[str]
    decode: Callable[[Home, str, Schema], Decoded]


def streams(declared: PipelineAssets) -> list[Stream]:
    """The ways in which a pipeline's rows arrive."""
    found = [inbox_stream(declared)]
    if declared.daily is not None and declared.calendar is not None:
        found.insert(0, _daily_stream(declared.daily, declared.calendar.partitions))
    return found


def inbox_partitions(pipeline: str) -> dg.DynamicPartitionsDefinition:
    """The files of a pipeline's inbox, a partition each."""
    return dg.DynamicPartitionsDefinition(name=f"{pipeline}_inbox")


def inbox_stream(declared: PipelineAssets) -> Stream:
    """Files as they arrive in the pipeline's inbox."""

    def decode_file(home: Home, partition: str, schema: Schema) -> Decoded:
        return decode_claimed(home.inbox(declared.name), partition, schema)

    return Stream(
        name="inbox",
        unit="file",
        origin=f"files dropped into inbox/{declared.name} (CSV, Parquet, JSON lines)",
        partitions=inbox_partitions(declared.name),
        decode=decode_file,
    )


def _daily_stream(source: Source, partitions: dg.DailyPartitionsDefinition) -> Stream:
    def decode_day(home: Home, partition: str, schema: Schema) -> Decoded:
        return decode_source(source, schema, date.fromisoformat(partition))

    return Stream(
        name="daily",
        unit="day",
        origin=source.describe(),
        partitions=partitions,
        decode=decode_day,
    )
