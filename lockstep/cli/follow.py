"""The process that asks the registry on behalf of a server.

A server loads no MLflow: it reads what this process writes down. It is started with

    python -m lockstep.cli.follow PIPELINE HOME SECONDS

and ends when its standard input does, which is when the server is gone, however that ended.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from lockstep.cli.process import prepare_process

_log = logging.getLogger("lockstep.registry.follow")


def follow(pipeline: str, home: Path, seconds: float) -> None:
    """Write down which versions may be used, again and again.

    Args:
        pipeline: Name of the pipeline.
        home: The home.
        seconds: How long to wait between two looks at the registry.
    """
    from lockstep.project.home import Home
    from lockstep.registry.listing import update_listing

    found = Home(home)
    registry, path = found.registry(), found.listing(pipeline)
    failing = ""
    while True:
        try:
            update_listing(registry, pipeline, path)
            failing = ""
        except OSError as error:  # a full disk, or a home that may only be read
            if str(error) != failing:
                _log.error("%s cannot be written: %s", path, error)
            failing = str(error)
        time.sleep(seconds)


def end_with_input() -> None:
    """End this process as soon as nobody can write to its standard input any more."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Follow the registry as the arguments of the process say."""
    from lockstep.serving.logs import log_to_stderr

    prepare_process()
    os.nice(5)  # answering requests comes first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its server ends it
    log_to_stderr("lockstep.registry")
    threading.Thread(target=end_with_input, daemon=True).start()
    pipeline, home, seconds = sys.argv[1:]
    follow(pipeline, Path(home), float(seconds))


if __name__ == "__main__":
    main()
