"""Source code of a proposed pipeline: its columns, and the source of its rows."""

from __future__ import annotations

import io
import re
import textwrap
import tokenize
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from lockstep.templates.proposal import Proposal, ProposedField, free_name
from lockstep.templates.table import TableColumn, TableFile
from lockstep.templates.table_proposal import ProposedTable

_WIDTH = 100
_FEW_ROWS = 1_000
_MOST_SHOWN = 8
_OTHER_DATE = re.compile(r"[0-9]{1,4}([./-])[0-9]{1,2}\1[0-9]{2,4}( .*)?")


def columns_source(name: str, proposal: Proposal, tables: Sequence[ProposedTable] = ()) -> str:
    """The module of a pipeline's columns, and of the tables in which it looks things up."""
    return _Columns(name, proposal, tables).source()


def assets_source(
    name: str,
    proposal: Proposal,
    path: str,
    transforms: str,
    tables: Sequence[tuple[ProposedTable, str]] = (),
) -> str:
    """The module of a pipeline's source and demands.

    Args:
        name: Name of the pipeline.
        proposal: The proposal.
        path: Path of its table from the project's root.
        transforms: The package of its columns.
        tables: The tables in which it looks things up, each with its path.
    """
    names = _Columns(name, proposal, [table for table, _ in tables])
    metric, threshold, why = _demand(proposal)
    options = _options(proposal.table)
    history = _call(f"    history={_kind(path)}", [_text(path), *options])
    inbox = f"{_call('    inbox=CsvFormat', options)}\n" if options else ""
    declared = [(table, place) for table, place in tables if not table.lacking]
    faces = {"PipelineAssets", "Quality", _kind(path), *(_kind(place) for _, place in declared)}
    faces |= ({"CsvFormat"} if options else set()) | ({"TableAssets"} if declared else set())
    notes = "".join(f"{_remark(note)}\n" for note in proposal.table.notes)
    return f'''"""Where the rows of {name} come from, and what its predictions must reach."""

{_imported("lockstep", faces)}
{_imported(f"{transforms}.{name}", ["PIPELINE", *(table.type_name for table, _ in declared)])}

ASSETS = PipelineAssets(
    pipeline=PIPELINE,
{notes}{history}
{inbox}{_table_assets(declared)}    # Edit: demand what you need. {why}
    quality=[Quality("{names.model}", "{names.label}", "{metric}", threshold={threshold})],
    # Add serving=Serving(), and `lockstep up` answers HTTP requests with the live version.
)
'''


def _imported(module: str, names: Collection[str]) -> str:
    """An import of some names, in one line if they fit; constants come first."""
    ordered = sorted(names, key=lambda name: (not name.isupper(), name))
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= _WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in ordered) + ")"


def _kind(path: str) -> str:
    return "CsvSource" if Path(path).suffix.lower() == ".csv" else "ParquetSource"


def _options(table: TableFile) -> list[str]:
    """How a file is written, as options of its source."""
    return [f"{name}={_option(value)}" for name, value in table.written.options().items()]


def _table_assets(tables: Sequence[tuple[ProposedTable, str]]) -> str:
    """The argument of the tables' sources; nothing without one."""
    if not tables:
        return ""
    lines = []
    for table, path in tables:
        lines += [_remark(note, 8) for note in table.file.notes]
        source = _bracketed(
            [_text(path), *_options(table.file)], f"        {_kind(path)}", "),", ("(", ")")
        )
        lines.append(f"        TableAssets({table.type_name}, {_kind(path)}{source}),")
    return "\n".join(["    tables=[", *lines, "    ],\n"])


def _remark(sentence: str, indent: int = 4) -> str:
    """A sentence as a comment."""
    before = " " * indent + "# "
    return textwrap.fill(sentence, _WIDTH, initial_indent=before, subsequent_indent=before)


def _call(before: str, arguments: Sequence[str]) -> str:
    """An argument that is a call: in one line if it fits, else an argument a line."""
    return f"{before}{_bracketed(arguments, before, ',', ('(', ')'))},"


def _option(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _literal(value)
    return "{" + ", ".join(f"{_text(name)}: {_text(held)}" for name, held in value.items()) + "}"


def _demand(proposal: Proposal) -> tuple[str, str, str]:
    """A metric, a threshold that no model should miss, and its meaning."""
    counts = proposal.label.column.counts
    if proposal.task == "binary":
        return "auc", "0.5", "0.5 is no better than chance."
    if proposal.task == "classes":
        share = max(counts.values()) / sum(counts.values())
        return "accuracy", f"{share:.2f}", "This is what always saying the commonest class reaches."
    middle = _median(counts)
    spread = sum(abs(value - middle) * n for value, n in counts.items()) / sum(counts.values())
    return "mae", f"{spread:.3g}", "This is how far off the median is, on average."


def _median(counts: Any) -> float:
    below = 0
    for value in sorted(counts):
        below += counts[value]
        if 2 * below >= sum(counts.values()):
            return float(value)
    return 0.0


class _Columns:
    def __init__(self, name: str, proposal: Proposal, tables: Sequence[ProposedTable] = ()) -> None:
        self.name, self.proposal = name, proposal
        self.tables = [table for table in tables if not table.lacking]
        self.lacking = [table for table in tables if table.lacking]
        taken = {proposal.label.name, *(field.name for field in proposal.fields)}
        taken |= {name for table in self.tables for name in (table.name, *_looked_up(table))}
        if proposal.key is not None:
            taken.add(proposal.key.name)
        self._taken = taken
        about = proposal.label.name.strip("_")
        self.key = proposal.key.name if proposal.key is not None else self._free("row")
        self.label = self._free(f"true_{about}")
        forms = {"binary": "{}_probability", "classes": "likely_{}", "number": "expected_{}"}
        self.model = self._free(forms[proposal.task].format(about))
        self.output = self._free(f"predicted_{about}")
        self.probability = self._free("probability")
        self.calendar = {
            field.name: (self._free(f"{field.name}_month"), self._free(f"{field.name}_weekday"))
            for field in proposal.times
        }

    def _free(self, wanted: str) -> str:
        name = free_name(wanted, self._taken)
        self._taken.add(name)
        return name

    def source(self) -> str:
        """The module."""
        blocks = [
            *([self._classes()] if self.proposal.task == "classes" else []),
            self._record(),
            self._outcome(),
            *map(_table, self.tables),
            *map(_look_up, self.tables),
            *(self._calendar(field) for field in self.proposal.times),
            self._label(),
            self._model(),
            *self._outputs(),
        ]
        body = "\n\n\n".join(blocks)
        undeclared = "".join(f"{_remark(_undeclared(table), 0)}\n" for table in self.lacking)
        end = f"\n\n\n{undeclared}PIPELINE = Pipeline(__name__, record=Row, outcome=Later)\n"
        head = (
            f'"""{self.name.capitalize()}: {_shown(self.proposal.label.column.name)}, predicted '
            f'from the other columns of {_shown(self.proposal.table.path.name)}."""\n'
        )
        gap = "\n\n" if body.startswith("CLASSES") else "\n\n\n"
        return f"{head}\n{self._imports(body + end)}{gap}{body}{end}"

    def _imports(self, body: str) -> str:
        tokens = tokenize.generate_tokens(io.StringIO(body).readline)
        words = {token.string for token in tokens if token.type == tokenize.NAME}

        def used(names: Iterable[str]) -> list[str]:
            return [name for name in names if name in words]

        lines = []
        times = used(["datetime", "timedelta"])
        lines += [f"from datetime import {', '.join(times)}"] if times else []
        lines += [f"from typing import {name}" for name in used(["Annotated"])]
        lines += ["", "import numpy as np"] if used(["np"]) else [""]
        if used(["make_column_transformer"]):
            lines += ["from sklearn.compose import make_column_transformer"]
        lines += [f"from sklearn.ensemble import {self._estimator}"]
        if used(["Steps"]):
            lines += ["from sklearn.pipeline import Pipeline as Steps"]
            lines += ["from sklearn.pipeline import make_pipeline"]
        if used(["OneHotEncoder"]):
            lines += ["from sklearn.preprocessing import OneHotEncoder"]
        names = used(
            (
                *("Asked", "Bools", "Event", "EventTime", "Floats", "Ints", "Key", "Missing"),
                *("Named", "Outcome", "Pipeline", "Record", "RowNumber", "Table", "Texts", "Times"),
                "Zone",
            )
        )
        names += ["feature"] if "@feature" in body else []
        names += ["label", *used(["lookup"]), "model", "output", *used(["window"])]
        listed = "".join(f"    {name},\n" for name in names)
        return "\n".join(lines).lstrip("\n") + f"\n\nfrom lockstep import (\n{listed})"

    @property
    def _estimator(self) -> str:
        kind = "Regressor" if self.proposal.task == "number" else "Classifier"
        return f"HistGradientBoosting{kind}"

    def _classes(self) -> str:
        texts = [_literal(value) for value in self._class_values()]
        return f"CLASSES = {_bracketed(texts, 'CLASSES = ')}"

    def _class_values(self) -> Sequence[Any]:
        classes = self.proposal.classes
        return list(map(str, classes)) if self._are_texts() else classes

    def _are_texts(self) -> bool:
        """Whether the label holds texts; a number that may be missing becomes one."""
        column = self.proposal.label.column
        return column.declared == "str" or column.optional

    def _record(self) -> str:
        key = self.proposal.key
        if key is None:
            lines = [f"    {self.key}: RowNumber  # no column tells the rows apart by itself"]
        else:
            lines = [_field(key, is_key=True)]
        event_time = self.proposal.event_time
        lines += [_field(field, is_event=field is event_time) for field in self.proposal.fields]
        if self.proposal.left_out:
            names = ", ".join(_shown(name) for name in self.proposal.left_out)
            lines.append(f"    # No field can hold {names}.")
        return (
            "class Row(Record):\n"
            '    """A row as it is known when a prediction is asked for.\n\n'
            "    Edit: move fields that become known only later to Later.\n"
            '    """\n\n' + "\n".join(lines)
        )

    def _outcome(self) -> str:
        return 'class Later(Outcome):\n    """What becomes known later."""\n\n' + _field(
            self.proposal.label
        )

    def _calendar(self, field: ProposedField) -> str:
        month, weekday = self.calendar[field.name]
        return f'''@feature
def {month}({field.name}: Times) -> Floats:
    """Month of {field.name} in UTC, 1 to 12; missing where that is."""
    months = {field.name}.astype("datetime64[M]").astype(np.int64)
    return np.where(np.isnat({field.name}), np.nan, months % 12 + 1)


@feature
def {weekday}({field.name}: Times) -> Floats:
    """Day of the week of {field.name} in UTC, 0 for Monday; missing where that is."""
    days = {field.name}.astype("datetime64[D]").astype(np.int64)
    return np.where(np.isnat({field.name}), np.nan, (days + 3) % 7)'''

    def _label(self) -> str:
        field = self.proposal.label
        alias, value, doc = _alias(field.column), field.name, "What is to be predicted."
        held = alias
        if self.proposal.task == "binary":
            alias, value, doc = self._label_of_two(field)
        elif self.proposal.task == "classes":
            alias, value, doc = self._label_of_classes(field)
        return (
            f"@label\ndef {self.label}({field.name}: {held}) -> {alias}:\n"
            f'    """{doc}"""\n    return {value}'
        )

    def _label_of_two(self, field: ProposedField) -> tuple[str, str, str]:
        name, column, true = field.name, field.column, self.proposal.classes[1]
        doc = f"Whether {_shown(column.name)} is {_shown(true)}."
        if column.declared == "bool":
            return _alias(column), name, f"Whether {_shown(column.name)}."
        if not column.optional:
            return "Bools", f"{name} == {_literal(true)}", doc
        doc = doc[:-1] + ", 1 or 0; missing where it is not known."
        if column.declared == "str":
            cells = f"np.nan if one is None else one == {_literal(true)} for one in {name}"
            return "Floats", f"np.array([{cells}], dtype=np.float64)", doc
        return "Floats", f"np.where(np.isnan({name}), np.nan, {name} == {_literal(true)})", doc

    def _label_of_classes(self, field: ProposedField) -> tuple[str, str, str]:
        name, column = field.name, field.column
        doc = "What is to be predicted."
        if column.declared == "str":
            if not self.proposal.rare_are_left_out:
                return "Texts", name, doc
            cells = f"one if one in CLASSES else None for one in {name}"
            doc = "What is to be predicted; values in few rows are not learned."
            return "Texts", f"np.array([{cells}], dtype=object)", doc
        if column.optional:
            cells = f"None if np.isnan(one) else str(int(one)) for one in {name}"
            return "Texts", f"np.array([{cells}], dtype=object)", doc
        if column.declared == "float":
            return "Ints", f"{name}.astype(np.int64)", doc
        return "Ints", name, doc

    def _model(self) -> str:
        uses = [
            *(_literal(field.name) for field in self.proposal.fields if self._is_used(field)),
            *(name for pair in self.calendar.values() for name in pair),
            *(_literal(name) for table in self.tables for name in table.numbers),
            *(_literal(name) for table in self.tables for name in table.categories),
        ]
        notes = "".join(
            f"    # Not used: {field.name}, "
            + ("which is empty.\n" if field.column.is_empty else "whose texts are too many.\n")
            for field in self.proposal.unused
        )
        leaf = ", min_samples_leaf=5" if self.proposal.table.rows < _FEW_ROWS else ""
        estimator = f"{self._estimator}(random_state=0{leaf})"
        categories = [
            _literal(name)
            for name in (
                *(field.name for field in self.proposal.categories),
                *(name for table in self.tables for name in table.categories),
            )
        ]
        classes = "    classes=CLASSES,\n" if self.proposal.task == "classes" else ""
        begin = (
            f"@model(\n    learns={self.label},\n{notes}"
            f"    uses={_bracketed(uses, '    uses=', ',')},\n{classes})\n"
        )
        doc = {
            "binary": f"Probability of {self.label}.",
            "classes": "The most probable class.",
            "number": "The number that is to be expected.",
        }[self.proposal.task]
        if not categories:
            return (
                f"{begin}def {self.model}() -> {self._estimator}:\n"
                f'    """{doc}"""\n    return {estimator}'
            )
        texts = _bracketed(categories, "    texts = ")
        return f'''{begin}def {self.model}() -> Steps:
    """{doc}"""
    texts = {texts}
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        remainder="passthrough",
    )
    estimator = {estimator}
    return make_pipeline(prepare, estimator)'''

    def _is_used(self, field: ProposedField) -> bool:
        return field.is_number or field.is_category

    def _outputs(self) -> list[str]:
        if self.proposal.task != "binary":
            texts = "Texts" if self._are_texts() else "Ints"
            alias = texts if self.proposal.task == "classes" else "Floats"
            return [
                f"@output\ndef {self.output}({self.model}: {alias}) -> {alias}:\n"
                f'    """What is predicted."""\n    return {self.model}'
            ]
        false, true = self.proposal.classes
        alias = {"bool": "Bools", "str": "Texts", "int": "Ints", "float": "Floats"}[
            self.proposal.label.column.declared or "str"
        ]
        value = f"{self.model} >= 0.5"
        if alias != "Bools":
            value = f"np.where({value}, {_literal(true)}, {_literal(false)})"
        if alias == "Texts":
            value += ".astype(object)"
        return [
            f"@output\ndef {self.probability}({self.model}: Floats) -> Floats:\n"
            f'    """Probability of {self.label}."""\n    return {self.model}',
            f"@output\ndef {self.output}({self.model}: Floats) -> {alias}:\n"
            f'    """What is more probable than not."""\n    return {value}',
        ]


def _looked_up(table: ProposedTable) -> list[str]:
    """Names of the columns that a table gives."""
    return [
        *table.numbers,
        *table.categories,
        *(f"{table.name}_{one.name}" for one in table.values),
    ]


def _table(table: ProposedTable) -> str:
    """The declaration of a table."""
    keys = [field for field, _ in table.keys]
    lines = [_field(field, is_key=True) for field in keys]
    file, how, note = _shown(table.file.path.name), "static=True", ""
    if table.valid is not None:
        after = timedelta(days=1) if table.is_event else table.apart
        how = f"known_after={_span(after)}"
        note = "    # Edit known_after: how long after that a row is known, which no file tells.\n"
        lines.append(_field(table.valid, is_event=True, event="From when a row is valid."))
    lines += [_field(field) for field in table.values]
    kind = "Event" if table.is_event else "Table"
    return (
        f'class {table.type_name}({kind}, {how}):\n    """A row of {file}."""\n\n{note}'
        + "\n".join(lines)
    )


def _look_up(table: ProposedTable) -> str:
    """The look-up in a table, or the window over events."""
    asking = [field for _, field in table.keys]
    inputs = [*asking, *([table.as_of] if table.as_of is not None else [])]
    takes = ", ".join(f"{field.name}: {_alias(field.column)}" for field in dict.fromkeys(inputs))
    asked = ", ".join(field.name for field in asking)
    asked += f", as_of={table.as_of.name}" if table.as_of is not None else ""
    how, doc = f"@lookup({table.type_name})", "What is known of it by then."
    if table.is_event:
        of = f', of={_literal(table.reduced.name)}, how=["count", "mean"]' if table.reduced else ""
        how, doc = f"@window({table.type_name}, over=timedelta(days=30){of})", "Thirty days of it."
    elif table.valid is None:
        doc = "What is known of it."
    return f'{how}\ndef {table.name}({takes}) -> Asked:\n    """{doc}"""\n    return Asked({asked})'


def _undeclared(table: ProposedTable) -> str:
    """What a person has to decide about a table that is not declared."""
    columns = ", ".join(_shown(name) for name in table.file.names)
    return (
        f"Edit: {table.name} ({_shown(table.file.path.name)}: {columns}) is not declared: "
        f"{table.lacking}. class {table.type_name}(Table, ...) and @lookup say how it is looked up."
    )


def _span(span: timedelta) -> str:
    """A span as Python writes it, in the largest unit of which it is a whole number."""
    for unit in ("days", "hours", "minutes"):
        count, rest = divmod(span, timedelta(**{unit: 1}))
        if count and not rest:
            return f"timedelta({unit}={count})"
    return f"timedelta(seconds={span.total_seconds():g})"


def _alias(column: TableColumn) -> str:
    if column.optional and column.declared in ("int", "bool"):
        return "Floats"
    return {
        "float": "Floats",
        "int": "Ints",
        "bool": "Bools",
        "str": "Texts",
        "datetime": "Times",
    }[column.declared or "str"]


_EVENT = "When the row happened, it seems, by which days are parted; edit: datetime, if it is not."


def _field(
    field: ProposedField, *, is_key: bool = False, is_event: bool = False, event: str = _EVENT
) -> str:
    """A field's line, with the column's values as a comment."""
    column = field.column
    kind = f"Key[{column.declared}]" if is_key else f"{column.declared}"
    kind = "EventTime" if is_event else kind
    if column.optional:
        kind += " | None"
    marks = []
    if column.name != field.name:
        marks.append(f"Named({_text(column.name)})")
    if column.missing:
        marks.append(f"Missing({', '.join(map(_text, column.missing))})")
    if column.declared == "datetime" and not column.has_zones:
        marks.append('Zone("UTC")')
    declared = f"Annotated[{kind}, {', '.join(marks)}]" if marks else kind
    line = f"    {field.name}: {declared}"
    comment = "" if is_key else _comment(column)
    if is_event:
        zone = "" if column.has_zones else f"    # {comment}\n"
        return f"{zone}    # {event}\n{line}"
    return f"{line}  # {comment}" if comment and len(line) + len(comment) + 4 <= _WIDTH else line


def _comment(column: TableColumn) -> str:
    values = list(column.counts)
    if not values:
        return "empty in the table"
    if column.declared in ("int", "float"):
        return f"{min(values):g} to {max(values):g}"
    if column.declared == "datetime" and not column.has_zones:
        return "edit: in which zone?"
    if column.declared == "datetime" and not column.optional:
        return "edit: if this is when the row happened, EventTime, which checks of time need"
    if column.declared == "str" and all(_OTHER_DATE.fullmatch(value) for value in values):
        return "dates? As a datetime they need dates=... of the source, or 2024-01-31"
    if column.declared == "str" and len(values) <= _MOST_SHOWN:
        return ", ".join(_shown(value) for value in sorted(values))
    if column.declared == "str":
        return f"{len(values):,} different texts"
    return ""


def _bracketed(
    items: Sequence[str], before: str, after: str = "", brackets: tuple[str, str] = ("[", "]")
) -> str:
    """Items in brackets: in one line if they fit, else an item a line."""
    opening, closing = brackets
    line = f"{opening}{', '.join(items)}{closing}"
    if len(before) + len(line) + len(after) <= _WIDTH:
        return line
    indent = " " * (len(before) - len(before.lstrip()))
    lines = "".join(f"{indent}    {item},\n" for item in items)
    return f"{opening}\n{lines}{indent}{closing}"


def _literal(value: Any) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A text as Python writes it, in double quotes."""
    written = repr(value)
    return written if '"' in written else f'"{written[1:-1]}"'


def _shown(value: Any) -> str:
    """A value of the data for a comment or a docstring: one short line."""
    text = " ".join(str(value).split()).replace("\\", "/").replace('"', "'")
    return text if len(text) <= 40 else text[:39] + "…"
