"""Commands about the request log of a pipeline's server."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, AsJson, PipelineName
from lockstep.errors import LockstepError

if TYPE_CHECKING:
    from lockstep.columns.schema import Field
    from lockstep.serving.requestlog.erasure import ErasedKey

log = typer.Typer(help="The log of what a pipeline's server was asked and answered.")


@log.command()
def forget(
    pipeline: PipelineName,
    key: Annotated[str, typer.Option(help="The key of a record, such as a customer's number.")],
    as_json: AsJson = False,
) -> None:
    """Erase what the server logged of a key until now; 1 if not all could be searched.

    Segments that hold it are written anew without its rows, also those that a running server still
    writes to, and replayed once more. Each notes how many rows were erased, and when.
    """
    from dataclasses import asdict

    from lockstep.cli.console import say, show_json
    from lockstep.scoring.request_replay import forget_requests
    from lockstep.serving.requestlog.erasure import LoggedKey, erase_key
    from lockstep.serving.requestlog.redaction import keyed_hashes, log_key

    declared, home = context.pipeline(pipeline), context.home()
    folder = home.requests(pipeline)
    if not folder.is_dir():
        raise LockstepError(f"No request of {pipeline} was ever logged in {folder}.")
    field = declared.pipeline.record_schema[declared.pipeline.key]
    logged = LoggedKey(field.name, _text(field, key), lambda: keyed_hashes(log_key()))
    erased = erase_key(folder, logged)
    # With them goes what their replays showed of the rows.
    forget_requests(declared, context.store(declared.name), erased.segments)
    if as_json:
        show_json(asdict(erased))
    else:
        for line in _lines(erased, pipeline):
            say(line)
    if erased.unsearched:
        raise typer.Exit(FAILED)


def _text(field: Field, key: str) -> str:
    """The text of a key as the log hashes and compares it."""
    import numpy as np

    from lockstep.columns.converters import RefusedError, cell_parser, converter

    if field.is_row_number:
        raise LockstepError(
            "A record without a key is known by its row in its request alone: nothing in the log "
            "belongs to one person. `keep` removes all of it in time."
        )
    try:
        value = converter(field)(cell_parser(field)(key))
    except RefusedError as error:
        raise LockstepError(f"--key is no {field.name}: {error}.") from None
    return str(np.array([value], dtype=field.kind.dtype).tolist()[0])


def _lines(erased: ErasedKey, pipeline: str) -> list[str]:
    from lockstep.columns.plain import counted

    if not erased.segments:
        lines = ["No segment that can be searched holds it."]
    else:
        count = len(erased.segments)
        lines = [
            f"{counted(erased.rows, 'row')} in {counted(count, 'segment')} erased, and with them "
            f"{counted(erased.requests, 'whole request')}. Dagster's sensor replays "
            f"them once more, or {shlex.join(['lockstep', 'replay', pipeline])}."
        ]
    if erased.torn:
        lines.append(
            f"{counted(erased.torn, 'file')} of torn bytes removed: nobody can search them."
        )
    return [*lines, *(f"NOT searched: {sentence}" for sentence in erased.unsearched)]
