"""Personal data is changed before anything behind the decoder sees it, and what is sealed is read with its key only."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st
from sink_worker._native import Batch, MaskKey

from tests.sink.native.copy_format import read_copy, read_fields
from tests.sink.native.kinds import BY_LABEL
from tests.sink.native.records import Field, Format, Table, change, decoder

SECRET = b"a secret of at least 32 bytes, as"
KEY = MaskKey(SECRET)
FORMATS: list[Format] = ["avro", "json", "bare"]
TEXT, WHOLE, FLOAT = BY_LABEL["string"], BY_LABEL["bigint"], BY_LABEL["double"]


def table(*fields: Field, key: Sequence[str] = ("id",)) -> Table:
    return Table((Field("id", WHOLE), *fields), tuple(key))


def decoded(of: Table, format_: Format, rule: str, rows: list[dict[str, object]], *, column: str, op: str = "c") -> Batch:
    records = [change(of, format_, op, row, at=(0, number)) for number, row in enumerate(rows)]
    return decoder(of).decode(of.hint().masked({column: KEY.mask(rule, 4)}), records)  # type: ignore[arg-type]


def derived(purpose: bytes, digest: str) -> bytes:
    return hmac.digest(SECRET, b"cdc-platform " + purpose, digest)


def expected(rule: str, text: str) -> str:
    """Written from the rules' definitions, with other libraries."""
    if rule == "hash":
        return hmac.new(derived(b"hash 1", "sha256"), text.encode(), hashlib.sha256).hexdigest()
    if rule == "tokenize":
        sealed = AESSIV(derived(b"tokenize 1", "sha512")).encrypt(text.encode(), None) if text else None
        return "tok_" + base64.urlsafe_b64encode(sealed or b"").decode().rstrip("=")
    if rule == "redact":
        return "<REDACTED>"
    shown = min(4, len(text) // 2)
    return "*" * (len(text) - shown) + text[len(text) - shown :]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("rule", ["hash", "tokenize", "redact", "partial"])
@given(texts=st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1))
def test_text_is_what_its_rule_makes_of_it(format_: Format, rule: str, texts: list[str | None]) -> None:
    of = table(Field("email", TEXT, True))
    rows: list[dict[str, object]] = [{"id": number, "email": text} for number, text in enumerate(texts)]
    batch = decoded(of, format_, rule, rows, column="email")
    assert batch.rejects == []
    [segment] = batch.segments
    assert [column.pg_type for column in segment.columns] == ["bigint", "text"]
    found = [field and field.decode() for _, field in read_copy(segment.copy_payload())]
    assert found == [None if text is None else expected(rule, text) for text in texts]


@pytest.mark.parametrize("format_", FORMATS)
def test_a_number_is_masked_as_its_digits(format_: Format) -> None:
    of = table(Field("ssn", WHOLE))
    batch = decoded(of, format_, "partial", [{"id": 1, "ssn": 123_456_789}], column="ssn")
    [segment] = batch.segments
    assert segment.columns[1].pg_type == "text"
    assert read_copy(segment.copy_payload())[0][1] == b"*****6789"


@pytest.mark.parametrize("format_", ["avro", "json"])
def test_what_is_no_text_is_redacted_to_null(format_: Format) -> None:
    of = table(Field("salary", FLOAT))
    batch = decoded(of, format_, "redact", [{"id": 1, "salary": 12.5}], column="salary")
    [segment] = batch.segments
    assert (segment.columns[1].pg_type, segment.columns[1].nullable) == ("double precision", True)
    assert read_copy(segment.copy_payload())[0][1] is None
    refused = decoded(of, format_, "hash", [{"id": 1, "salary": 12.5}], column="salary")
    assert [(reject.error_class, reject.column) for reject in refused.rejects] == [("UnsupportedSchema", "salary")]
    assert "redact it" in refused.rejects[0].message


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("rule", ["hash", "tokenize"])
def test_a_masked_key_still_finds_its_row(format_: Format, rule: str) -> None:
    of = Table((Field("email", TEXT), Field("n", WHOLE)), ("email",))
    rows: list[dict[str, object]] = [{"email": text, "n": 1} for text in ("a@b.example", "c@d.example")]
    [written] = decoded(of, format_, rule, rows, column="email").segments
    [deleted] = decoded(of, format_, rule, rows, column="email", op="d").segments
    assert sorted(written.key_bytes("upsert")) == sorted(deleted.key_bytes("delete"))
    keys = {(read_fields(key)[0] or b"").decode() for key in deleted.key_bytes("delete")}
    assert keys == {expected(rule, str(row["email"])) for row in rows}


@pytest.mark.parametrize("rule", ["redact", "partial"])
def test_a_mask_that_would_make_keys_equal_is_refused(rule: str) -> None:
    of = Table((Field("email", TEXT), Field("n", WHOLE)), ("email",))
    batch = decoded(of, "json", rule, [{"email": "a@b.example", "n": 1}], column="email")
    assert [reject.column for reject in batch.rejects] == ["email"]
    assert "hash or tokenize it" in batch.rejects[0].message


@given(raw=st.binary())
def test_what_is_sealed_can_be_opened_and_does_not_show_itself(raw: bytes) -> None:
    sealed = KEY.seal(raw)
    assert KEY.unseal(sealed) == raw
    assert KEY.seal(sealed) == sealed == KEY.seal(raw)
    assert len(raw) < 4 or raw not in sealed
    with pytest.raises(ValueError, match="not made with this key"):
        MaskKey(SECRET[::-1]).unseal(sealed)


def test_a_token_is_turned_back_by_its_key_alone() -> None:
    token = expected("tokenize", "Ada Lovelace")
    assert KEY.reveal(token) == "Ada Lovelace"
    for wrong in ("Ada", "tok_", "tok_ä", token[:-1] + ("A" if token[-1] != "A" else "B")):
        with pytest.raises(ValueError, match=r"no token|not made with this key"):
            KEY.reveal(wrong)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        MaskKey(b"short")
