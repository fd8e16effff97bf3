"""Source code of a proposed pipeline: its columns, and the source of its rows.

The modules are the templates in the folder `proposed`.
"""

from __future__ import annotations

import io
import re
import textwrap
import tokenize
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from lockstep.templates.proposal import FACE, Proposal, ProposedField, free_name
from lockstep.templates.table import TableColumn, TableFile
from lockstep.templates.table_proposal import ProposedTable

_WIDTH = 100
_MANY = 40
"""Fields of one type beyond which they are declared at once."""
_MANY_NAMES = {"float": "numbers", "int": "whole_numbers", "bool": "flags"}
_MOST_SHOWN = 8
_OTHER_DATE = re.compile(r"[0-9]{1,4}([./-])[0-9]{1,2}\1[0-9]{2,4}( .*)?")
_STANDARD = {"datetime": ("datetime", "timedelta"), "typing": ("Annotated",)}
_OTHERS = {
    "np": "import numpy as np",
    "make_column_transformer": "from sklearn.compose import make_column_transformer",
    "HistGradientBoostingClassifier": "from sklearn.ensemble import HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor": "from sklearn.ensemble import HistGradientBoostingRegressor",
    "Steps": "from sklearn.pipeline import Pipeline as Steps",
    "make_pipeline": "from sklearn.pipeline import make_pipeline",
    "OneHotEncoder": "from sklearn.preprocessing import OneHotEncoder",
}
"""Imports of a module of columns, by the name that each gives."""
_ASSETS = ("CsvFormat", "CsvSource", "ParquetSource", "PipelineAssets", "Quality", "TableAssets")


def columns_source(name: str, proposal: Proposal, tables: Sequence[ProposedTable] = ()) -> str:
    """The module of a pipeline's columns, and of the tables in which it looks things up."""
    declared = [table for table in tables if not table.lacking]
    names, task, label = _Names(proposal, declared), proposal.task, proposal.label.column
    many = {
        names.free(_MANY_NAMES[str(alike[0].column.declared)]): (declared, alike)
        for declared, alike in _declared_at_once(proposal).items()
    }
    together = {field.name for _, alike in many.values() for field in alike}
    apart = [field for field in proposal.fields if field.name not in together]
    has_texts = label.declared == "str" or label.optional  # a number that may be missing is one
    of_class = "Texts" if has_texts else "Ints"
    categories = [name for table in declared for name in table.categories]
    return _rendered(
        "columns.txt",
        name=name,
        face=FACE,
        proposal=proposal,
        tables=declared,
        lacking=[table for table in tables if table.lacking],
        names=names,
        apart=apart,
        many=many,
        classes=[_literal(str(each) if has_texts else each) for each in proposal.classes],
        gives=of_class if task == "classes" else "Floats",
        estimator=f"HistGradientBoosting{'Regressor' if task == 'number' else 'Classifier'}",
        texts=[*(_text(field.name) for field in proposal.categories), *map(_text, categories)],
        uses=[
            *(_text(each.name) for each in apart if each.is_number or each.is_category),
            *(f"*Row.{name}" for name in many),
            *(each for pair in names.calendar.values() for each in pair),
            *(_text(each) for table in declared for each in table.numbers),
            *map(_text, categories),
        ],
    )


def assets_source(
    name: str,
    proposal: Proposal,
    path: str,
    transforms: str,
    tables: Sequence[tuple[ProposedTable, str]] = (),
) -> str:
    """The module of a pipeline's source and demands."""
    declared = [(table, place) for table, place in tables if not table.lacking]
    metric, threshold, why = _demand(proposal)
    return _rendered(
        "assets.txt",
        name=name,
        face=_ASSETS,
        proposal=proposal,
        path=path,
        transforms=transforms,
        tables=declared,
        names=_Names(proposal, [table for table, _ in declared]),
        metric=metric,
        threshold=threshold,
        why=why,
    )


def _rendered(template: str, **values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lockstep.templates", "proposed"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,  # it is Python
    )
    words = (_alias, _kind, _literal, _shown, _text)
    blocks = (
        _alike,
        _bracketed,
        _called,
        _field,
        _imported,
        _imports,
        _known,
        _look_up,
        _options,
        _remark,
    )
    environment.filters |= {word.__name__.strip("_"): word for word in words}
    environment.globals |= {block.__name__.strip("_"): block for block in blocks}
    return environment.get_template(template).render(values)


class _Names:
    """The names of a pipeline's columns beside those of its tables."""

    def __init__(self, proposal: Proposal, tables: Sequence[ProposedTable]) -> None:
        self._taken = {proposal.label.name, *(field.name for field in proposal.fields)}
        self._taken |= {name for table in tables for name in (table.name, *_looked_up(table))}
        if proposal.key is not None:
            self._taken.add(proposal.key.name)
        about = proposal.label.name.strip("_")
        self.key = proposal.key.name if proposal.key is not None else self.free("row")
        self.label = self.free(f"true_{about}")
        forms = {"binary": "{}_probability", "classes": "likely_{}", "number": "expected_{}"}
        self.model = self.free(forms[proposal.task].format(about))
        self.output = self.free(f"predicted_{about}")
        self.probability = self.free("probability")
        self.calendar = {
            field.name: (self.free(f"{field.name}_month"), self.free(f"{field.name}_weekday"))
            for field in proposal.times
        }

    def free(self, wanted: str) -> str:
        """A free name: the wanted one, or with a number after it."""
        name = free_name(wanted, self._taken)
        self._taken.add(name)
        return name


def _imports(body: str, face: Sequence[str]) -> str:
    """The imports of a module, those names of Lockstep's `face` among them that it uses."""
    tokens = tokenize.generate_tokens(io.StringIO(body).readline)
    words = {token.string for token in tokens if token.type == tokenize.NAME}
    standard = {
        module: [name for name in names if name in words] for module, names in _STANDARD.items()
    }
    blocks = (
        [_imported(module, names) for module, names in standard.items() if names],
        [line for name, line in _OTHERS.items() if name in words],
        [_imported("lockstep", words & {*face})],
    )
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


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


def _option(value: Any) -> str:
    if not isinstance(value, Mapping):
        return _literal(value)
    return "{" + ", ".join(f"{_text(name)}: {_text(held)}" for name, held in value.items()) + "}"


def _remark(sentence: str, indent: int = 4) -> str:
    """A sentence as a comment."""
    before = " " * indent + "# "
    return textwrap.fill(sentence, _WIDTH, initial_indent=before, subsequent_indent=before)


def _called(before: str, arguments: Sequence[str], after: str = ",") -> str:
    """A call of what stands before: in one line if it fits, else an argument a line."""
    return f"{before}{_bracketed(arguments, before, after, ('(', ')'))}{after}"


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


def _looked_up(table: ProposedTable) -> list[str]:
    """Names of the columns that a table gives."""
    return [
        *table.numbers,
        *table.categories,
        *(f"{table.name}_{one.name}" for one in table.values),
    ]


def _known(table: ProposedTable) -> str:
    """When the rows of a table are known, as an argument of its class."""
    if table.valid is None:
        return "static=True"
    return f"known_after={_span(timedelta(days=1) if table.is_event else table.apart)}"


def _look_up(table: ProposedTable) -> tuple[str, ...]:
    """The look-up in a table, or the window over events: the parts of its function."""
    asking = [field for _, field in table.keys]
    inputs = [*asking, *([table.as_of] if table.as_of is not None else [])]
    takes = ", ".join(f"{field.name}: {_alias(field.column)}" for field in dict.fromkeys(inputs))
    asked = ", ".join(field.name for field in asking)
    asked += f", as_of={table.as_of.name}" if table.as_of is not None else ""
    how, doc = f"lookup({table.type_name})", "What is known of it by then."
    if table.is_event:
        of = f', of={_literal(table.reduced.name)}, how=["count", "mean"]' if table.reduced else ""
        how, doc = f"window({table.type_name}, over=timedelta(days=30){of})", "Thirty days of it."
    elif table.valid is None:
        doc = "What is known of it."
    return how, table.name, takes, "Asked", doc, f"Asked({asked})"


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
    names = {"float": "Floats", "int": "Ints", "bool": "Bools", "datetime": "Times"}
    return names.get(column.declared or "", "Texts")


_EVENT = "When the row happened, it seems, by which days are parted; edit: datetime, if it is not."


def _declared_at_once(proposal: Proposal) -> dict[str, list[ProposedField]]:
    """Many numbers of one type whose columns have their names: by the type, these fields."""
    alike: dict[str, list[ProposedField]] = {}
    for field in proposal.numbers:
        if field.column.name == field.name:
            alike.setdefault(_declared(field), []).append(field)
    return {declared: fields for declared, fields in alike.items() if len(fields) > _MANY}


def _alike(name: str, declared: str, fields: Sequence[ProposedField]) -> str:
    """The line, or the lines, that declare many fields at once."""
    names = [field.name for field in fields]
    if numbered := _numbered(names):
        return f"    {name} = fields({declared}, ({numbered}))"
    text = textwrap.fill(" ".join(names), _WIDTH - 8, break_long_words=False)
    listed = textwrap.indent(f'{declared},\n"""\n{text}\n""".split(),', " " * 8)
    return f"    {name} = fields(\n{listed}\n    )"


def _numbered(names: Sequence[str]) -> str | None:
    """Names that are numbered in order, as an expression; None for others."""
    first = re.fullmatch(r"(.*?)([0-9]+)", names[0])
    if first is None:
        return None
    stem, digits = first.groups()
    form = f"{stem}{{number:0{len(digits)}}}" if len(digits) > 1 else f"{stem}{{number}}"
    whole = range(int(digits), int(digits) + len(names))
    if list(names) != [form.format(number=number) for number in whole]:
        return None
    return f'f"{form}" for number in range({whole.start}, {whole.stop})'


def _declared(field: ProposedField, *, is_key: bool = False, is_event: bool = False) -> str:
    """The type that a field is declared with, and its marks."""
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
    return f"Annotated[{kind}, {', '.join(marks)}]" if marks else kind


def _field(
    field: ProposedField, *, is_key: bool = False, is_event: bool = False, event: str = _EVENT
) -> str:
    """A field's line, with the column's values as a comment."""
    column = field.column
    line = f"    {field.name}: {_declared(field, is_key=is_key, is_event=is_event)}"
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
