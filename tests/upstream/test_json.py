"""Behaviours of msgspec's JSON parser and of Python's parser of times."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"[1, 1.0]", [1, 1.0]),
        (b"[-0, -0.0]", [0, -0.0]),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_json_is_parsed(text: bytes, value: Any) -> None:
    assert repr(msgspec.json.decode(text)) == repr(value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"NaN", msgspec.DecodeError),
        (b"Infinity", msgspec.DecodeError),
        (b"1e400", msgspec.DecodeError),
        (b"9" * 5000, msgspec.DecodeError),
        (b'"\\ud800"', msgspec.DecodeError),
        (b"\xef\xbb\xbf1", msgspec.DecodeError),
        (b'"\xff"', UnicodeDecodeError),
        (b"[" * 100_000, RecursionError),
    ],
)
def test_what_is_no_json_is_refused(text: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        msgspec.json.decode(text)


def test_digits_beyond_microseconds_are_dropped_in_silence() -> None:
    found = datetime.fromisoformat("2013-04-01T09:30:00.1234567Z")

    assert found == datetime(2013, 4, 1, 9, 30, 0, 123456, tzinfo=UTC)
