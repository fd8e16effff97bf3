"""The shared transform module: record types, the column graph, and pipelines.

Training, scoring and serving all evaluate the graph that is declared with these names; every
public module of this package is one pipeline.
"""

from transforms._column import Column, Model, feature, label, model, output
from transforms._decode import Data, Decoded, Reason, Rejected, decode
from transforms._errors import (
    CycleError,
    DeclarationError,
    DefinitionError,
    DuplicateNameError,
    FitError,
    FunctionError,
    InputError,
    InvalidRecordsError,
    LeakageError,
    LockstepError,
    NotFittedError,
    UnknownInputError,
)
from transforms._estimator import matrix, preprocessed
from transforms._files import decode_file, decode_json
from transforms._fitting import fit_models, fold_of, out_of_fold_values
from transforms._graph import Graph
from transforms._kind import Array, Bools, Columns, Floats, Ints, Kind, Texts, Times
from transforms._pipeline import Pipeline, Trace
from transforms._record import EventTime, Field, Key, Outcome, Record, Schema
from transforms._rows import concat, is_missing, take_rows
from transforms._table import from_arrow, to_arrow, to_frame

__all__ = [
    "Array",
    "Bools",
    "Column",
    "Columns",
    "CycleError",
    "Data",
    "DeclarationError",
    "Decoded",
    "DefinitionError",
    "DuplicateNameError",
    "EventTime",
    "Field",
    "FitError",
    "Floats",
    "FunctionError",
    "Graph",
    "InputError",
    "Ints",
    "InvalidRecordsError",
    "Key",
    "Kind",
    "LeakageError",
    "LockstepError",
    "Model",
    "NotFittedError",
    "Outcome",
    "Pipeline",
    "Reason",
    "Record",
    "Rejected",
    "Schema",
    "Texts",
    "Times",
    "Trace",
    "UnknownInputError",
    "concat",
    "decode",
    "decode_file",
    "decode_json",
    "feature",
    "fit_models",
    "fold_of",
    "from_arrow",
    "is_missing",
    "label",
    "matrix",
    "model",
    "out_of_fold_values",
    "output",
    "preprocessed",
    "take_rows",
    "to_arrow",
    "to_frame",
]
