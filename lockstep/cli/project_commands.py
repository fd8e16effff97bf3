"""Commands about the project: write it, or a pipeline; list its pipelines; start its servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, LAST_PORT, AsJson
from lockstep.errors import ArtifactError, LockstepError, SuiteError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockstep.project.declaration import PipelineAssets
    from lockstep.project.project import Project
    from lockstep.templates.proposal import Proposal
    from lockstep.templates.table_proposal import ProposedTable


def new(
    name: Annotated[
        Path | None, typer.Argument(metavar="[NAME]", help="Folder of a new project.")
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A new pipeline in the project that you are in."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="The pipeline's table: a CSV or Parquet file."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What to predict; the table's last column by default."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What tells the rows apart; found by default."),
    ] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="NAME=FILE",
            help="A table in which the pipeline looks things up, such as weather=weather.csv; "
            "repeatable.",
        ),
    ] = None,
) -> None:
    """Write a project that runs at once, or add a pipeline to one, such as for a table of yours."""
    from lockstep.project.project import Project

    if (name is None) == (pipeline is None):
        raise LockstepError(
            "Say what to write: `lockstep new NAME` for a project, or in one "
            "`lockstep new --pipeline NAME [--from TABLE.csv]`."
        )
    if table is None and (label is not None or key is not None):
        raise LockstepError("--label and --key are columns of a table: say which with --from FILE.")
    if table is None and tables:
        raise LockstepError("--table is looked up for rows of another table: say which by --from.")
    if name is not None:
        if table is not None:
            raise LockstepError(
                f"--from FILE is for a pipeline: first `lockstep new {name}`, then there "
                f"`lockstep new --pipeline NAME --from {table}`."
            )
        _project(name)
    elif pipeline is not None and table is None:
        _pipeline(Project.find(), pipeline)
    elif pipeline is not None and table is not None:
        named = _named_files(tables or ())
        _pipeline_from(Project.find(), pipeline, table, label, key, named)


def list_pipelines(as_json: AsJson = False) -> None:
    """List the project's pipelines, what is live of each, and what is wrong with broken ones."""
    from lockstep.cli.console import say, show_error, show_json

    pipelines = context.all_pipelines()
    context.registry().demand_place()
    names = sorted(pipelines.declared)
    if not as_json:
        for name in names:
            by_day = "by day and " if pipelines.declared[name].daily else ""
            say(f"{name}  scored {by_day}by file; {_live(name)}")
        if not (names or pipelines.broken or pipelines.lacking):
            folder = context.project().root / context.project().assets
            say(f"No pipeline yet in {folder}. Make one: lockstep new --pipeline NAME")
    wrong = {name: broken.error for name, broken in pipelines.broken.items()}
    wrong |= {**pipelines.lacking, **_wrong_suites(pipelines.declared)}
    if as_json:
        listed = [*names, *(name for name in wrong if name not in names)]
        show_json([{"pipeline": name, "error": wrong.get(name)} for name in listed])
    for error in wrong.values():
        show_error(error)
    if wrong:
        raise typer.Exit(FAILED)


def _wrong_suites(declared: Mapping[str, PipelineAssets]) -> dict[str, str]:
    """What is wrong with suites, by pipeline: importing one does not make them."""
    wrong = {}
    for name, pipeline in declared.items():
        try:
            if pipeline.has_suites:
                pipeline.suites_json()
        except SuiteError as error:
            wrong[name] = f"Pipeline {name}: {error}"
    return wrong


def up(
    port: Annotated[
        int, typer.Option(min=1, max=LAST_PORT, help="First port to try for Dagster's UI.")
    ] = 3000,
    mlflow_port: Annotated[
        int, typer.Option(min=1, max=LAST_PORT, help="First port to try for MLflow's UI.")
    ] = 5000,
    server_port: Annotated[
        int,
        typer.Option(
            min=1, max=LAST_PORT, help="First port to try for the pipelines' HTTP servers."
        ),
    ] = 8080,
    overview_port: Annotated[
        int,
        typer.Option(
            min=1, max=LAST_PORT, help="First port to try for the page for all pipelines."
        ),
    ] = 4000,
) -> None:
    """Start a page for all pipelines, Dagster, MLflow and HTTP servers on 127.0.0.1.

    Ctrl-C stops them all.

    A pipeline has a server if it declares `serving=Serving()`. What stops by itself is started
    again.
    """
    from lockstep.cli.servers import Ports, run_servers

    raise typer.Exit(
        run_servers(context.project(), Ports(port, mlflow_port, server_port, overview_port))
    )


def _project(folder: Path) -> None:
    from lockstep.templates.project_writing import write_project

    write_project(folder)
    _say(
        f"Wrote the project {folder.resolve().name}. What next?",
        "",
        *([f"  cd {folder}"] if folder.resolve() != Path.cwd() else []),
        "  lockstep train wine",
        "  lockstep promote wine",
        "  lockstep score wine --file new_bottles.csv",
        "",
        "README.md there tells the rest; `pytest` tests it; `lockstep up` shows it in a browser.",
    )


def _pipeline(project: Project, name: str) -> None:
    from lockstep.templates.project_writing import write_pipeline

    _say_files(project, write_pipeline(project, name))
    _say(f"Edit them; then: lockstep train {name}")


def _named_files(given: Sequence[str]) -> dict[str, Path]:
    """The files of `NAME=FILE`, by name."""
    named: dict[str, Path] = {}
    for one in given:
        name, sign, file = one.partition("=")
        if not (name and sign and file) or name in named:
            raise LockstepError(
                f"--table {one}: give a name of its own and a file, as weather=weather.csv."
            )
        named[name] = Path(file)
    return named


def _pipeline_from(
    project: Project,
    name: str,
    table: Path,
    label: str | None,
    key: str | None,
    tables: Mapping[str, Path],
) -> None:
    from lockstep.templates.project_writing import write_pipeline_from

    proposal, proposed, written = write_pipeline_from(
        project, name, table, label=label, key=key, tables=tables
    )
    _say_files(project, written)
    _say(
        "",
        *_proposed(proposal),
        *map(_proposed_table, proposed),
        "",
        "Read what was written: which columns are known when a prediction is asked for? Then:",
        "",
        f"  lockstep train {name}",
        f"  lockstep promote {name}",
        f"  lockstep score {name} --file FILE    # rows like those of {table.name}",
    )


def _proposed(proposal: Proposal) -> list[str]:
    label = proposal.label.column.name
    kinds = {
        "binary": f"whether it is {proposal.classes[-1] if proposal.classes else ''}",
        "classes": f"one of {len(proposal.classes)} classes",
        "number": "a number",
    }
    if proposal.key is None:
        able = " or ".join(field.column.name for field in proposal.possible_keys)
        hint = f" (different in each row: --key {able})" if able else ""
        key = f"No column is taken for a key, so rows are numbered within each file, from 0{hint}."
    else:
        named = proposal.key.column.name or "The column without a name"
        key = f"{named} tells the rows apart (another: --key COLUMN)."
    unused = [field.column.name for field in proposal.unused]
    return [
        f"Predicted is {label}, {kinds[proposal.task]} (another: --label COLUMN).",
        key,
        *([f"Not used to predict (the file says why): {', '.join(unused)}."] if unused else []),
        *([f"No field can hold: {', '.join(proposal.left_out)}."] if proposal.left_out else []),
        *proposal.table.notes,
    ]


def _proposed_table(table: ProposedTable) -> str:
    if table.lacking:
        return f"{table.name} is not declared: {table.lacking}. The file has a line to begin with."
    by = " and ".join(f"{field.name} ({asked.name})" for field, asked in table.keys)
    if table.valid is None:
        return f"{table.name} is looked up by {by}; it has no time."
    how = "summed over thirty days" if table.is_event else "looked up"
    return (
        f"{table.name} is {how} by {by}, as of {table.as_of.name if table.as_of else ''}. "
        "Edit known_after: no file tells when a row became known."
    )


def _say_files(project: Project, written: Sequence[Path]) -> None:
    _say(*(f"Wrote {path.relative_to(project.root)}" for path in written))


def _say(*lines: str) -> None:
    from lockstep.cli.console import OUT

    OUT.print("\n".join(lines), soft_wrap=True, markup=False)


def _live(name: str) -> str:
    """Which version of a pipeline is live, by the gate's file alone."""
    from lockstep.artifacts.pointers import read_live

    try:
        live = read_live(context.home().live(name))
    except ArtifactError as error:
        return str(error)
    if live is None:
        return "no version is live yet"
    return f"version {live.version} is live since {live.since:%Y-%m-%d %H:%M} UTC"
