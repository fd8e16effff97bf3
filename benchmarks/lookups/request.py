"""A request, for which the weather is looked up and an aircraft's landings are summed over time."""

from benchmarks.lookups.tables import HOW, OVER, WITHIN, Landing, Weather
from lockstep import (
    Asked,
    EventTime,
    Floats,
    Ints,
    Key,
    Pipeline,
    Record,
    Texts,
    Times,
    lookup,
    output,
    window,
)


class Departure(Record):
    """A departure."""

    flight_id: Key[str]
    scheduled_at: EventTime
    origin: str
    tail: str | None
    sched_dep_time: int


@lookup(Weather, within=WITHIN)
def weather(origin: Texts, scheduled_at: Times) -> Asked:
    """The weather at the origin, as known at the scheduled departure."""
    return Asked(origin, as_of=scheduled_at)


@window(Landing, over=OVER, of="arr_delay", how=HOW)
def landings(tail: Texts, scheduled_at: Times) -> Asked:
    """Delays of the aircraft's landings."""
    return Asked(tail, as_of=scheduled_at)


@output
def minute(sched_dep_time: Ints, weather_temp: Floats, landings_mean: Floats) -> Ints:
    """Scheduled departure, minutes after local midnight; it needs a column of each table."""
    return sched_dep_time // 100 * 60 + sched_dep_time % 100


PIPELINE = Pipeline(__name__, record=Departure)
