"""No text of an address shows what is secret in it, whatever is in the secret."""

import json
import pickle
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from lockstep.columns.address import Address

SHOWN = {
    "postgresql+psycopg2://me@db/scores": "postgresql+psycopg2://me@db/scores",
    "postgresql+psycopg2://me:secret@db:5432/scores": "postgresql+psycopg2://me:***@db:5432/scores",
    "postgresql://me:a/b@c:d@db/scores": "postgresql://me:***@db/scores",
    "postgresql://:secret@db/scores": "postgresql://:***@db/scores",
    "postgresql://db/scores?user=me&password=secret": "postgresql://db/scores",
    "postgresql://me:se?cr#et@db/scores": "postgresql://***",
    "sqlite:////srv/a b/team.db": "sqlite:////srv/a b/team.db",
    "http://mlflow:5000": "http://mlflow:5000",
    "https://me:secret@mlflow/path": "https://***@mlflow/path",
    "https://token@mlflow/path": "https://***@mlflow/path",
    "s3://bucket/in/a@b.parquet": "s3://bucket/in/a@b.parquet",
    "https://host/a.csv?sig=se@cret": "https://host/a.csv",
    "local": "local",
}


@pytest.mark.parametrize("text", SHOWN)
def test_an_address_is_shown_without_its_secrets(text: str) -> None:
    assert str(Address(text)) == SHOWN[text]


_SECRET = st.text("/@:%?#&=+ äx", min_size=1, max_size=6).map(lambda text: f"Se{text}cret")
_ADDRESS = st.sampled_from(
    [
        "{scheme}://me:{secret}@host:5432/place",
        "{scheme}://:{secret}@host/place",
        "{scheme}://m@e:{secret}@host",
        "{scheme}://host:5000/place?password={secret}",
        "{scheme}://host/place?user=me&token={secret}&x=1#there",
        "{scheme}://me:{secret}@host/place?sig={secret}",
    ]
)


@given(_ADDRESS, st.sampled_from(["postgresql", "mysql+pymysql", "http", "s3"]), _SECRET)
def test_a_password_is_in_no_text(form: str, scheme: str, secret: str) -> None:
    for written in (secret, quote(secret, safe="")):
        address = Address(form.format(scheme=scheme, secret=written))
        assert pickle.loads(pickle.dumps(address)) == address
        plain = [str(address), repr(address), f"{address} {address!r}", address.link]
        plain += [json.dumps({"at": address}, default=str), str({"at": [address]})]
        with pytest.raises(TypeError):
            json.dumps(address)
        with pytest.raises(TypeError):
            msgspec.json.encode(address)
        plain.append(address.hide_in(f"{address.full} does not answer: {secret!s} is wrong"))
        for text in plain:
            assert "cret" not in text, address.full
            assert "Se" not in text, address.full


def test_what_sqlalchemy_can_read_is_shown_as_it_shows_it() -> None:
    for text in SHOWN:
        if text.startswith(("postgresql+", "sqlite")):
            assert str(Address(text)) == make_url(text).render_as_string(hide_password=True)
