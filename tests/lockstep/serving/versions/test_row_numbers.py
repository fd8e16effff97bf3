"""Records without a name are known by their place in their own request."""

from lockstep import Floats, Pipeline, Record, RowNumber, output
from lockstep.artifacts.version import LoadedVersion
from lockstep.serving.versions.request_scorer import Answer
from tests.lockstep.serving.conftest import scorer_of


class Line(Record):
    """A row without a name."""

    row: RowNumber
    x: float


@output
def double(x: Floats) -> Floats:
    """Twice as much."""
    return x * 2


PIPELINE = Pipeline(__name__, record=Line)


def test_requests_that_are_answered_together_count_their_rows_each_from_0(
    loaded: LoadedVersion,
) -> None:
    lines = scorer_of(loaded, PIPELINE)
    requests = [[{"x": 1.0}, {"x": 2.0}], [{"x": 3.0}], [{"x": 4.0, "row": 7}]]

    answers = lines.answer(requests)

    told = [one.columns["row"].tolist() for one in answers if isinstance(one, Answer)]
    assert told == [[0, 1], [0], [7]]
    assert [lines.answer([one])[0].columns["row"].tolist() for one in requests] == told
