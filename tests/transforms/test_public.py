"""The face of the package."""

import transforms


def test_the_exported_names_are_these() -> None:
    assert transforms.__all__ == [
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


def test_every_exported_name_exists() -> None:
    missing = [name for name in transforms.__all__ if not hasattr(transforms, name)]

    assert missing == []


def test_every_error_is_a_lockstep_error() -> None:
    errors = [
        value
        for name in transforms.__all__
        if isinstance(value := getattr(transforms, name), type) and issubclass(value, Exception)
    ]

    assert len(errors) == 12
    assert all(issubclass(error, transforms.LockstepError) for error in errors)
