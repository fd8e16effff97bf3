"""The book of laws of a version: all that training found, and what a batch breaks of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import replace

import msgspec

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Schema
from lockstep.laws import (
    again,
    alongside,
    approximate,
    beside,
    bounds,
    calendars,
    caps,
    classes,
    combinations,
    company,
    compositions,
    constancy,
    continuity,
    counters,
    coverage,
    dependencies,
    differences,
    doubles,
    durations,
    elapsed,
    exchanges,
    forms,
    formulas,
    gaps,
    hours,
    identity,
    joined,
    joint,
    known,
    lags,
    lapses,
    lasting,
    lookups,
    mass,
    moments,
    multiples,
    names,
    newcomers,
    numbering,
    order,
    panels,
    peers,
    presence,
    ranges,
    reach,
    recalled,
    relations,
    renewed,
    rosters,
    runs,
    segments,
    shifts,
    signs,
    sizes,
    sorting,
    spans,
    stills,
    stocks,
    surprise,
    swaps,
    tallies,
    twins,
    variety,
    volume,
    zeros,
    zones,
)
from lockstep.laws.accepted import cases_of, with_accepted
from lockstep.laws.again import NewRows
from lockstep.laws.alongside import Alongside
from lockstep.laws.approximate import Mostly
from lockstep.laws.bands import Band, Banded, Standing
from lockstep.laws.beside import Beside
from lockstep.laws.bounds import AtMost, Clocks, NotNegative, Within
from lockstep.laws.calendars import Counted, Named
from lockstep.laws.caps import Uncapped
from lockstep.laws.classes import Classed
from lockstep.laws.combinations import KnownPairs
from lockstep.laws.company import Company
from lockstep.laws.compositions import Composition
from lockstep.laws.constancy import Varies
from lockstep.laws.continuity import Continues
from lockstep.laws.counters import OneWay
from lockstep.laws.coverage import Covered
from lockstep.laws.dependencies import Dependency
from lockstep.laws.differences import Difference
from lockstep.laws.doubles import Doubles
from lockstep.laws.durations import Duration
from lockstep.laws.earlier import Digests, Earlier
from lockstep.laws.elapsed import Elapsed
from lockstep.laws.exchanges import Exchanged
from lockstep.laws.forms import Digits, Form, Grid
from lockstep.laws.formulas import Formula
from lockstep.laws.gaps import Gaps
from lockstep.laws.hours import UsualHours
from lockstep.laws.identity import NewContent, NewKeys, OwnDay
from lockstep.laws.joined import NewJoined
from lockstep.laws.joint import Together
from lockstep.laws.known import KnownNumbers
from lockstep.laws.lags import InStep
from lockstep.laws.lapses import Lapse, Reads, Written
from lockstep.laws.lasting import Lasts
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.lookups import LookUp
from lockstep.laws.margins import Margins, calibrated
from lockstep.laws.mass import Mass
from lockstep.laws.moments import OnSteps
from lockstep.laws.multiples import Multiple
from lockstep.laws.names import PairsOfNames
from lockstep.laws.newcomers import Newcomers, explained
from lockstep.laws.numbering import CountsOn
from lockstep.laws.order import Smooth, Stuck
from lockstep.laws.panels import WholeGrid
from lockstep.laws.peers import Alike
from lockstep.laws.presence import Present
from lockstep.laws.ranges import Ranges
from lockstep.laws.reach import WithinReach
from lockstep.laws.recalled import Recalled
from lockstep.laws.relations import Relation
from lockstep.laws.renewed import Renewed
from lockstep.laws.rosters import Roster
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.runs import ShortRuns
from lockstep.laws.segments import Segmented
from lockstep.laws.shifts import Shifted
from lockstep.laws.signs import BothSigns
from lockstep.laws.sizes import Sizes
from lockstep.laws.sorting import Unsorted
from lockstep.laws.spans import Spanned
from lockstep.laws.stills import Still
from lockstep.laws.stocks import Stock
from lockstep.laws.strays import strays
from lockstep.laws.surprise import Surprise
from lockstep.laws.swaps import Swapped
from lockstep.laws.tallies import Tallied
from lockstep.laws.twins import Twins
from lockstep.laws.variety import Apart, Varied
from lockstep.laws.volume import RowsADay, RowsASegment
from lockstep.laws.zeros import ZeroTogether
from lockstep.laws.zones import Offset

AnyLaw = (
    Alongside
    | Alike
    | Apart
    | AtMost
    | Beside
    | BothSigns
    | Classed
    | Clocks
    | Company
    | Composition
    | Continues
    | Counted
    | CountsOn
    | Covered
    | Dependency
    | Difference
    | Digits
    | Doubles
    | Duration
    | Elapsed
    | Exchanged
    | Form
    | Formula
    | Gaps
    | Grid
    | InStep
    | KnownNumbers
    | KnownPairs
    | Lasts
    | LookUp
    | Mass
    | Mostly
    | Multiple
    | Named
    | NewContent
    | NewJoined
    | NewKeys
    | NewRows
    | NotNegative
    | Offset
    | OnSteps
    | OneWay
    | OwnDay
    | PairsOfNames
    | Present
    | Ranges
    | Recalled
    | Relation
    | Renewed
    | Roster
    | RowsADay
    | RowsASegment
    | Segmented
    | Shifted
    | ShortRuns
    | Sizes
    | Smooth
    | Spanned
    | Still
    | Stock
    | Stuck
    | Surprise
    | Swapped
    | Tallied
    | Together
    | Twins
    | Uncapped
    | Unsorted
    | UsualHours
    | Varied
    | Varies
    | WholeGrid
    | Within
    | WithinReach
    | Written
    | ZeroTogether
)
"""Every kind of law: a union, by which stored laws are told apart."""
EXACT = (Elapsed, LookUp, Recalled, Shifted, Tallied)
"""Laws that tell of each row by itself what the first of their columns holds."""
FAMILIES: tuple[tuple[Callable[[TrainingRows], Sequence[AnyLaw]], Reads], ...] = (
    (dependencies.discover, "values"),
    (lookups.discover, "values"),
    (classes.discover, "values"),
    (approximate.discover, "values"),
    (compositions.discover, "values"),
    (lapses.discover, "values"),
    (calendars.discover, "values"),
    (lasting.discover, "values"),
    (identity.discover, "values"),
    (doubles.discover, "values"),
    (joined.discover, "values"),
    (renewed.discover, "values"),
    (recalled.discover, "values"),
    (tallies.discover, "values"),
    (elapsed.discover, "values"),
    (durations.discover, "durations"),
    (spans.discover, "values"),
    (stocks.discover, "values"),
    (presence.discover, "values"),
    (numbering.discover, "values"),
    (volume.discover, "lapses"),
    (counters.discover, "values"),
    (swaps.discover, "lapses"),
    (coverage.discover, "lapses"),
    (caps.discover, "values"),
    (panels.discover, "values"),
    (rosters.discover, "values"),
    (hours.discover, "values"),
    (moments.discover, "values"),
    (combinations.discover, "lapses"),
    (continuity.discover, "lapses"),
    (bounds.discover, "order"),
    (signs.discover, "values"),
    (zeros.discover, "values"),
    (forms.discover, "values"),
    (gaps.discover, "values"),
    (known.discover, "lapses"),
    (multiples.discover, "lapses"),
    (joint.discover, "order"),
    (names.discover, "lapses"),
    (surprise.discover, "lapses"),
    (mass.discover, "both"),
    (variety.discover, "values"),
    (order.discover, "lapses"),
    (sorting.discover, "lapses"),
    (stills.discover, "values"),
    (runs.discover, "values"),
    (ranges.discover, "order"),
    (reach.discover, "values"),
    (company.discover, "values"),
    (constancy.discover, "values"),
    (again.discover, "values"),
    (relations.discover, "order"),
    (formulas.discover, "order"),
    (differences.discover, "order"),
    (exchanges.discover, "order"),
    (segments.discover, "both"),
    (peers.discover, "values"),
    (beside.discover, "lapses"),
    (shifts.discover, "values"),
    (sizes.discover, "values"),
    (twins.discover, "lapses"),
    (lags.discover, "lapses"),
    (alongside.discover, "values"),
)
"""What looks for laws in training rows, each for its own kinds, and how it reads dates."""


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """The laws of a version.

    Attributes:
        timezone: Where a day begins and ends.
        days: Training days, or blocks of rows where there is no event time.
        laws: What holds.
        unjudged: Fields that no law is about, each with why.
        margins: What the margins of statistics are calibrated to; None where there are none, or
            of a version that an older Lockstep fitted.
        lapses: What is told of dates: each is a column for laws; none of an older version.
        newcomers: How often new things come, by the column that names them; none of an older one.
    """

    timezone: str
    days: int
    laws: tuple[AnyLaw, ...]
    unjudged: dict[str, str]
    margins: Margins | None = None
    lapses: tuple[Lapse, ...] = ()
    newcomers: dict[str, Newcomers] = {}

    @property
    def strict(self) -> int:
        """How many laws training never broke."""
        return sum(law.is_strict for law in self.laws)

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands of all statistics."""
        return tuple(
            band for law in self.laws if isinstance(law, Banded) for band in law.bands.values()
        )

    def fields(self, names: Sequence[str]) -> tuple[str, ...]:
        """The fields that columns are, or are made of; an event time is what others are held to.

        Args:
            names: Fields and lapses.
        """
        made = {one.name: one.columns for one in self.lapses}
        return tuple(dict.fromkeys(field for name in names for field in made.get(name, (name,))))

    def find(self, rows: Rows) -> list[Broken]:
        """What breaks laws in a batch: what cannot be first, then what is unusual.

        Args:
            rows: The rows of the batch, each of them with all fields.
        """
        found = [
            replace(broken, columns=self.fields(broken.columns))
            for broken in with_accepted(self._broken(rows), rows.earlier)
        ]
        return _suspects_first(found, self, rows)

    def _broken(self, rows: Rows) -> list[Broken]:
        """What breaks each law in a batch; found once, though it is told and remembered."""
        _, found = rows.once(
            ("broken", id(self)),  # no other book has it, while this one is kept with what it found
            lambda: (self, explained(self._all_broken(rows), self.newcomers, rows)),
        )
        return found

    def _all_broken(self, rows: Rows) -> list[Broken]:
        return [one for law in self.laws if (one := law.find(rows)) is not None]

    def standings(self, rows: Rows) -> list[Standing]:
        """Where the statistics of a batch stand, the nearest to its limit first.

        Args:
            rows: The rows of the batch.
        """
        found = [one for law in self.laws if isinstance(law, Banded) for one in law.standings(rows)]
        return sorted(found, key=lambda one: one.share, reverse=True)

    def rows(
        self,
        columns: Columns,
        schema: Schema,
        day: str | None = None,
        earlier: Sequence[Earlier] = (),
        aside: int = 0,
    ) -> Rows:
        """The rows of a batch, as laws look at them.

        Args:
            columns: Its columns.
            schema: What they are declared to hold.
            day: The day that they are to be of, in ISO form; None where they are of no one day.
            earlier: The batches that were published before, the newest last.
            aside: How many rows came with them and were set aside.
        """
        raw = {name: columns[name] for name in schema.names}
        rows = Rows(raw, schema, self.timezone, day, tuple(earlier), aside=aside)
        return lapses.with_lapses(rows, self.lapses)

    def remembered(self, rows: Rows, partition: str) -> Earlier:
        """What is kept of a batch, for the laws of those that follow it.

        Args:
            rows: Its rows.
            partition: The day or file.
        """
        ends = {law.what: law.ends(rows) for law in self.laws if isinstance(law, Continues)}
        joined = {
            law.what: Digests.of(law.digests(rows))
            for law in self.laws
            if isinstance(law, NewJoined)
        }
        held = {
            what: digests
            for law in self.laws
            if isinstance(law, Renewed)
            for what, digests in law.remembered(rows).items()
        }
        dated = next((law.dated for law in self.laws if isinstance(law, NewContent)), ())
        lasting = {
            law.columns[0]: law.value_of(rows) for law in self.laws if isinstance(law, Lasts)
        }
        clocks = {
            law.columns[0]: law.agreeing(rows) for law in self.laws if isinstance(law, Offset)
        }
        strayed = {
            law.digest: values
            for law in self.laws
            if isinstance(law, Banded) and (values := law.strayed(rows))
        }
        return msgspec.structs.replace(
            rows.remembered(partition, dated),
            ends=ends,
            joined=joined,
            held=held,
            lasting=lasting,
            zones=clocks,
            strayed=strayed,
            recalled={
                **recalled.remembered(self.laws, rows),
                **tallies.remembered(self.laws, rows),
                **spans.remembered(self.laws, rows),
            },
            middle_key=numbering.middle_key(rows)
            if any(isinstance(law, CountsOn) for law in self.laws)
            else None,
            cases=cases_of(self._broken(rows), rows.earlier),
        )

    def to_json(self) -> bytes:
        """As JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, data: bytes) -> Book:
        """The book that `to_json` wrote.

        Raises:
            ValueError: It is damaged, or has a law that this Lockstep does not know.
        """
        return msgspec.json.decode(data, type=cls)


def discover(columns: Columns, schema: Schema, timezone: str = "UTC") -> Book:
    """Find the laws of a pipeline's raw rows.

    Args:
        columns: The training rows: fields of the record, and others that are not looked at.
        schema: What the fields are declared to hold.
        timezone: Where a day begins and ends.
    """
    raw = {name: columns[name] for name in schema.names}
    training = TrainingRows.of(Rows(raw, schema, timezone))
    offsets, unseen = zones.discover(training)
    lasting = training.without(unseen)
    told_of_dates = lapses.found(lasting)
    read = lapses.by_reading(lasting, told_of_dates)
    others = [law for family, reads in FAMILIES for law in family(read[reads])]
    others = [law for law in others if not _is_told(law, offsets)]
    exactly = {name for law in others if isinstance(law, EXACT) for name in law.columns[:1]}
    others = [one for one in others if not _is_exchanged(one, exactly)]
    laws, margins = calibrated([*offsets, *others])
    found = Book(
        timezone=timezone,
        days=training.days,
        laws=laws,
        unjudged={},
        margins=margins,
        lapses=told_of_dates,
        newcomers=newcomers.discover(read["values"]),
    )
    told = {name for law in laws for name in found.fields(law.columns)}
    unjudged = {name: _lacking(training) for name in schema.names if name not in told}
    return msgspec.structs.replace(found, unjudged=unjudged)


def _is_told(law: AnyLaw, offsets: Sequence[Offset]) -> bool:
    """Whether it looks up what clocks tell, and for more than the seasons that training saw."""
    return isinstance(law, LookUp) and law.columns[0] in {one.columns[0] for one in offsets}


def _is_exchanged(law: AnyLaw, exactly: Set[str]) -> bool:
    """Whether it tells two numbers apart of which one is told exactly, so that this tells, too."""
    return isinstance(law, Exchanged) and not exactly.isdisjoint(law.columns)


def _lacking(training: TrainingRows) -> str:
    """Why no law is about a field."""
    unit = "days" if training.has_days else "blocks of rows"
    if training.days < ENOUGH_DAYS:
        return f"there are {training.days} training {unit}, and it takes {ENOUGH_DAYS}"
    return f"nothing holds of it on all of {training.days} training {unit}"


def _suspects_first(found: Sequence[Broken], book: Book, rows: Rows) -> list[Broken]:
    """Findings with the suspects first.

    What breaks a law that is about it alone is at fault. What belongs to another column row by
    row, as ever, is not, while there are others. Then it is what strays from the numbers that it
    goes with, in the rows themselves. Otherwise it is the column in most of the broken laws: a
    column at fault breaks every law that binds it to others; of those as often named, the one
    whose laws are all broken, since one that shares laws with it, and has others that hold, is
    cleared by these.
    """
    fields = {id(law): book.fields(law.columns) for law in book.laws}
    about = Counter(name for law in book.laws if law.binds for name in fields[id(law)])
    bound = Counter(column for one in found if one.law.binds for column in one.columns)
    named = Counter(column for one in found for column in one.columns)
    alone = {one.columns[0] for one in found if one.strict and len(one.columns) == 1}
    broken = {id(one.law) for one in found}
    pinned = [id(law) for law in book.laws if law.pins]
    lost = {name for law in pinned if law in broken for name in fields[law]}
    kept = {name for law in pinned if law not in broken for name in fields[law]}
    astray = book.fields(_astray(rows)) if bound else ()
    suspicion = {
        name: (
            name in alone,
            name not in kept - lost,
            name in astray,
            count,
            bound[name] / max(about[name], 1),
        )
        for name, count in named.items()
    }
    ordered = [
        replace(one, columns=tuple(sorted(one.columns, key=suspicion.__getitem__, reverse=True)))
        for one in found
    ]
    ordered.sort(key=lambda one: (one.strict, suspicion[one.columns[0]]), reverse=True)
    if ordered and ordered[0].columns[0] in astray:
        unnamed = (name for name in astray if name not in named)
        ordered[0] = replace(ordered[0], columns=(*ordered[0].columns, *unnamed))
    return ordered


ASTRAY = 0.02
"""Share of rows in which a number strays from others from which on it is suspected."""


def _astray(rows: Rows) -> tuple[str, ...]:
    """The numbers that stray most from those they go with, and that stray half as often."""
    shares = strays(rows)
    least = max(max(shares.values(), default=0.0) / 2, ASTRAY)
    return tuple(name for name, share in shares.items() if share >= least)
