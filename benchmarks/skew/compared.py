"""Faults of data and clean days, given to other tools: what they alarm on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from benchmarks._rounds import HERE, ONE_THREAD, BenchmarkError
from benchmarks.skew.data import delivery_of, same_rows
from benchmarks.skew.faults import Fault, Half
from benchmarks.skew.lookups import LOOKUP_FAULTS
from benchmarks.skew.once_held_out import ONCE_HELD_OUT_FAULTS
from benchmarks.skew.outages import OUTAGE_FAULTS
from benchmarks.skew.peers.batches import CLEAN, Batches, yesterday_of
from benchmarks.skew.platform import Platform
from benchmarks.skew.tables import Table
from benchmarks.skew.tools import TOOLS, Tool
from benchmarks.skew.workers import carry_out

Alarms = Mapping[str, Sequence[str]]
"""Columns that a tool alarms on, by delivery."""
_LEFT_OUT = frozenset((*ONCE_HELD_OUT_FAULTS, *LOOKUP_FAULTS, *OUTAGE_FAULTS))
"""Faults that other tools do not get: a day takes the slowest of them two seconds."""
_QUIET = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True)
class Task:
    """Deliveries for a tool to judge.

    Attributes:
        tool: The tool.
        folder: Where they are.
        part: Which part of those that the tool judges.
        batches: Their names.
    """

    tool: Tool
    folder: Path
    part: int
    batches: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """What a tool said.

    Attributes:
        alarms: What it alarmed on, by its set-ups.
        seconds: How long it took.
        failure: Why it cannot be run; empty if it was.
    """

    alarms: Mapping[str, Alarms]
    seconds: float
    failure: str = ""


def try_tools(
    table: Table,
    home: Path,
    folder: Path,
    days: Mapping[Half, Sequence[date]],
    clean: Sequence[date],
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Give the faults of a table and its clean days to other tools.

    Args:
        table: The table.
        home: A home; nothing of it but the table is read.
        folder: Where to write what they are given; it is removed in the end.
        days: The days on which faults are tried, by half.
        clean: The clean days.
        say: Is told what cannot be run.

    Returns:
        By tool and set-up, what it found; or why the tool cannot be run.
    """
    platform = Platform.at(home, table.declared)
    batches = Batches(folder)
    shutil.rmtree(folder, ignore_errors=True)
    tried = {
        (one, day)
        for half, chosen in days.items()
        for day in sorted({day for one in TOOLS for day in spread(chosen, one.fault_days)})
        for one in _write_faults(table, half, platform, batches, day)
    }
    needed = {*clean, *(day for _, day in tried)}
    names = {f"{CLEAN}/{day}" for day in needed}
    for name in sorted(names | {yesterday_of(one) for one in names}):
        day = date.fromisoformat(name.partition("/")[2])
        write_rows(platform.rows(day), batches.path(name))
    _write_training(table, batches)
    carry_out(_made_ready, TOOLS, "environments")
    wanted = {tool: _wanted(tool, tried, days, clean) for tool in TOOLS}
    tasks = [
        Task(tool, folder, part, wanted[tool][part :: tool.parts])
        for tool in TOOLS
        for part in range(tool.parts)
    ]
    parts: dict[Tool, list[Said]] = {tool: [] for tool in TOOLS}
    for task, answer in zip(tasks, carry_out(ask, tasks, "parts of other tools"), strict=True):
        parts[task.tool].append(answer)
    found: dict[str, dict[str, Any]] = {}
    for tool, answers in parts.items():
        said = _together(answers)
        if said.failure:
            say(f"{tool.name} is left out. {said.failure}")
            found[tool.name] = {"failure": said.failure, **_about(tool)}
        asked = [one for one in tried if _name(*one) in {*wanted[tool]}]
        for set_up, alarms in said.alarms.items():
            found[f"{tool.name}, {set_up}"] = {
                **judge(asked, alarms),
                "seconds": round(said.seconds),
                **_about(tool),
            }
    shutil.rmtree(folder)
    return found


def _made_ready(tool: Tool) -> str:
    """Make the environment of a tool, before its parts ask for it at once; or why it cannot be."""
    try:
        tool.python()
    except BenchmarkError as error:
        return str(error)
    return ""


def _together(parts: Sequence[Said]) -> Said:
    """What a tool said of all parts of its deliveries; nothing if it failed at one of them."""
    seconds = sum(one.seconds for one in parts)
    failure = next((one.failure for one in parts if one.failure), "")
    if failure:
        return Said({}, seconds, failure)
    set_ups = {
        set_up: {name: columns for one in parts for name, columns in one.alarms[set_up].items()}
        for set_up in parts[0].alarms
    }
    return Said(set_ups, seconds)


def judge(tried: Iterable[tuple[Fault, date]], alarms: Alarms) -> dict[str, Any]:
    """What a tool found.

    Args:
        tried: The faults, each with a day that it was tried on.
        alarms: What it alarmed on, by delivery.

    Returns:
        `detected`: faults on most of whose days it alarms, and not on the same day as it was;
        `by_column`: faults on most of whose days it alarms on a column that it is silent about on
        the same day as it was (`found` names them), and `located`: those of them where that names
        the right one.
    """
    by_fault: dict[Fault, list[tuple[bool, bool, bool]]] = {}
    for fault, day in tried:
        faulted, clean = {*alarms[_name(fault, day)]}, {*alarms[f"{CLEAN}/{day}"]}
        new = faulted - clean
        told = (bool(faulted) and not clean, bool(new), bool(new & {*fault.where}))
        by_fault.setdefault(fault, []).append(told)
    most = [
        [2 * sum(column) > len(tries) for column in zip(*tries, strict=True)]
        for tries in by_fault.values()
    ]
    quiet = [bool(columns) for name, columns in alarms.items() if name.startswith(f"{CLEAN}/")]
    return {
        "detected": sum(one[0] for one in most),
        "of": len(by_fault),
        "false_alarm_days": sum(quiet),
        "of_days": len(quiet),
        "by_column": sum(one[1] for one in most),
        "located": sum(one[2] for one in most),
        "found": sorted(fault.name for fault, one in zip(by_fault, most, strict=True) if one[1]),
        "tries": sum(map(len, by_fault.values())),
    }


def _about(tool: Tool) -> dict[str, str]:
    return {"version": tool.version, "remark": tool.remark}


def _name(fault: Fault, day: date) -> str:
    return f"{fault.name}/{day}"


def _wanted(
    tool: Tool,
    tried: Iterable[tuple[Fault, date]],
    days: Mapping[Half, Sequence[date]],
    clean: Sequence[date],
) -> tuple[str, ...]:
    """The deliveries that a tool judges: some of the days of each fault, and some clean days."""
    chosen = {half: spread(known, tool.fault_days) for half, known in days.items()}
    faults = {(one, day) for one, day in tried if day in chosen[one.half]}
    quiet = {*clean[:: tool.clean_every], *(day for _, day in faults)}
    return tuple(sorted({_name(*one) for one in faults} | {f"{CLEAN}/{day}" for day in quiet}))


def spread(days: Sequence[date], count: int) -> list[date]:
    """Some of the days, as far from each other as can be."""
    count = min(count, len(days))
    return [days[(2 * number + 1) * len(days) // (2 * count)] for number in range(count)]


def ask(task: Task) -> Said:
    """Have a tool judge deliveries, in a process of its environment."""
    wanted = task.folder / f"{task.tool.script}-{task.part}.json"
    wanted.write_text(json.dumps(task.batches))
    try:
        python = task.tool.python()
    except BenchmarkError as error:
        return Said({}, 0.0, str(error))
    begun = time.monotonic()
    module = f"benchmarks.skew.peers.{task.tool.script}"
    done = subprocess.run(
        [str(python), "-m", module, str(task.folder), str(wanted)],
        cwd=HERE,
        env={**os.environ, **ONE_THREAD, **_QUIET, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        printed = done.stderr.strip()[-600:]
        return Said({}, 0.0, f"It exited with status {done.returncode}: {printed}")
    return Said(json.loads(done.stdout.splitlines()[-1]), time.monotonic() - begun)


def _write_faults(
    table: Table, half: Half, platform: Platform, batches: Batches, day: date
) -> list[Fault]:
    """Write what is delivered of a day with each fault; the faults that change anything."""
    delivery = delivery_of(platform, day)
    changed = []
    for one in table.of(half):
        if one in _LEFT_OUT:
            continue
        rows = one.change(delivery)
        if not same_rows(rows, delivery.rows):
            write_rows(rows, batches.path(_name(one.fault, day)))
            changed.append(one.fault)
    return changed


def _write_training(table: Table, batches: Batches) -> None:
    assert table.declared.history is not None
    rows = cast(pa.Table, table.declared.history.read())
    names = list(table.declared.pipeline.record_schema.names)
    parquet.write_table(rows.select(names), batches.path("training"))


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write rows as Parquet; the values of a column that holds several types are written as text.

    Args:
        rows: The rows.
        path: The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = {
        str(name): rows[name].map(str, na_action="ignore")
        for name in rows
        if rows[name].dtype == object and rows[name].dropna().map(type).nunique() > 1
    }
    rows.assign(**text).to_parquet(path, index=False)
