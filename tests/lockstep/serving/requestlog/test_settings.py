"""Settings of the log: what has no meaning is refused, and workers get them as JSON."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lockstep.errors import DeclarationError
from lockstep.serving.requestlog.settings import RequestLog


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"share": 0}, "share is 0; give a share above 0 and up to 1; for no log at all, Serving("),
        ({"share": 1.5}, "share is 1.5; give a share above 0 and up to 1"),
        ({"drop": "price"}, "drop is 'price'; give a list of texts, such as ['NAME']."),
        ({"drop": ["a"], "hash": ["a"]}, "'a' is both dropped and hashed; say one."),
        ({"flush": "often"}, "flush is 'often'; give one of 'never', 'segment', 'interval', 'alw"),
        ({"when_full": None}, "when_full is None; give one of 'refuse', 'serve'."),
        ({"keep": 30}, "keep is 30; give a timedelta, such as timedelta(days=7) or None."),
        ({"segment_age": None}, "segment_age is None; give a timedelta"),
        ({"segment_bytes": 1e6}, "segment_bytes is 1000000.0; give a number of bytes"),
        ({"keep_bytes": -1}, "keep_bytes is -1; give a number of bytes"),
    ],
)
def test_what_has_no_meaning_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError) as found:
        RequestLog(**change)
    assert said in str(found.value)


def test_settings_come_through_json_as_they_are() -> None:
    settings = RequestLog(
        share=0.5, drop=("a",), hash=("b",), keep=None, segment_age=timedelta(minutes=5)
    )
    sent = msgspec.json.decode(msgspec.json.encode(settings), type=RequestLog)
    assert (sent.redacted, sent.keep) == (settings.redacted, None)
    assert (sent.share, sent.segment_age) == (0.5, timedelta(minutes=5))
