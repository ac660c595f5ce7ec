"""Java reads back exactly what was written, whatever the keys and values are."""

from hypothesis import given
from hypothesis import strategies as st

from components.core.properties_text import Scalar, dump
from tests.unit.java_properties import java_load

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), ANY_TEXT))
def test_any_key_and_value_survive(settings: dict[str, str]) -> None:
    assert java_load(dump({"any": settings})) == settings


@given(ANY_TEXT)
def test_the_text_is_ascii_and_a_title_can_be_no_setting(text: str) -> None:
    written = dump({text: {"key": text}})
    assert written.isascii()
    assert java_load(written) == {"key": text}


def test_scalars_are_written_as_java_writes_them() -> None:
    settings: dict[str, Scalar] = {"yes": True, "no": False, "count": 3, "share": 0.5}
    assert dump({"Scalars": settings}) == "# Scalars\nyes=true\nno=false\ncount=3\nshare=0.5\n"


def test_what_needs_no_escape_is_left_alone() -> None:
    """Values are read by people: listeners, rules and JAAS lines look as in Kafka's own documents."""
    settings: dict[str, Scalar] = {
        "listeners": "CLIENTS-9093://node-0:9093,HOST-19092://node-0:19092",
        "rules": "RULE:^CN=([a-z]+)(,.*)?$/node:$1/",
    }
    assert dump({"Plain": settings}).splitlines()[1:] == [f"{key}={value}" for key, value in settings.items()]


def test_sections_keep_their_order_and_empty_ones_leave_nothing() -> None:
    assert dump({"B": {"z": 1, "a": 2}, "Empty": {}, "A": {"k": 3}}) == "# B\nz=1\na=2\n\n# A\nk=3\n"
