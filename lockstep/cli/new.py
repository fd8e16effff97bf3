"""`lockstep new`: a project, or a pipeline in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Folder of the project.")],
) -> None:
    """Write a project with a small pipeline that runs at once."""
    from lockstep.cli.console import OUT
    from lockstep.templates.writing import write_project

    write_project(name)
    OUT.print(
        f"Wrote the project {name.resolve().name}. What next?\n\n"
        f"  cd {name}\n"
        "  lockstep train wine\n"
        "  lockstep promote wine\n"
        "  lockstep score wine --file new_bottles.csv\n\n"
        "README.md there tells the rest; `pytest` tests it; `lockstep up` shows it in a browser.",
        soft_wrap=True,
        markup=False,
    )
