"""What actions need, loaded and used once: a process forked from one that has it pays nothing."""

from __future__ import annotations

from lockstep.cli.process import start_command

start_command()

from tests.fixtures.databases import keep_scripts_and_engines  # noqa: E402

keep_scripts_and_engines()

from benchmarks import _warm  # noqa: E402, F401
