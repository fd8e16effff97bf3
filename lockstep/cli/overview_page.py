"""The page for all pipelines: `python -m lockstep.cli.overview_page PORT`, in a project."""

from __future__ import annotations

import sys

from lockstep.cli import context
from lockstep.pages.pipeline_state import Overview
from lockstep.pages.web.pages import with_metrics


def main() -> None:
    """Serve the page on this machine until the process is told to stop."""
    import uvicorn

    overview = Overview(context.project(), context.run_progress)
    overview.states(0.0)  # so that the first page finds the records read, and the registry asked
    uvicorn.run(
        with_metrics(overview),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        ws="none",
        access_log=False,
        server_header=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
