"""Functions of libraries that open files by themselves, without an audit event of Python's.

Arrow opens files in C++. pandas calls these functions, too.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

_READERS: Mapping[str, Mapping[str, str]] = {
    "pyarrow": {"memory_map": "path", "input_stream": "source"},
    "pyarrow.csv": {"read_csv": "input_file", "open_csv": "input_file"},
    "pyarrow.dataset": {"dataset": "source", "parquet_dataset": "metadata_path"},
    "pyarrow.feather": {"read_table": "source"},
    "pyarrow.ipc": {"open_file": "source", "open_stream": "source"},
    "pyarrow.json": {"read_json": "input_file", "open_json": "input_file"},
    "pyarrow.orc": {"ORCFile.__init__": "source", "read_table": "source"},
    "pyarrow.parquet": {
        "ParquetFile.__init__": "source",
        "ParquetDataset.__init__": "path_or_paths",
    },
}
"""By module, its functions that take a file or several, and the parameter that takes it."""


def readers() -> Iterator[tuple[Any, str, str]]:
    """The installed functions: the module or class that holds one, its name, the parameter."""
    for name, functions in _READERS.items():
        try:
            module = importlib.import_module(name)
        except ImportError:  # built without it
            continue
        for path, parameter in functions.items():
            kind, _, function = path.rpartition(".")
            owner = getattr(module, kind, None) if kind else module
            if hasattr(owner, function):
                yield owner, function, parameter


def telling(function: Callable[..., Any], owner: Any, parameter: str) -> Callable[..., Any]:
    """A function that opens files by itself, with the event that Python raises of each."""
    place = int(isinstance(owner, type))

    @wraps(function)
    def opening(*args: Any, **options: Any) -> Any:
        given = args[place] if len(args) > place else options.get(parameter)
        for file in given if isinstance(given, list | tuple) else [given]:
            if isinstance(file, str | bytes | os.PathLike):
                sys.audit("open", file, "rb", os.O_RDONLY)
        return function(*args, **options)

    return opening
