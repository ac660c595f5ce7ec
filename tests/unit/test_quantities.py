"""Sizes, durations, rates and CPU: read exactly, written as people write them, refused without their unit."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core import quantities
from components.core.errors import WrongValue
from tests.strategies import quantities as written

AMOUNTS = st.integers(1, (1 << 63) - 1)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1B", 1),
        ("64kB", 64_000),
        ("64KB", 64_000),
        ("10MiB", 10 << 20),
        ("500Gi", 500 << 30),
        ("1.5GB", 1_500_000_000),
        ("0.1kB", 100),
        ("2T", 2 * 10**12),
        ("3PiB", 3 << 50),
    ],
)
def test_sizes_are_read_exactly(text: str, amount: int) -> None:
    assert quantities.parse_bytes(text) == amount


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("7d", 604_800_000), ("1w", 604_800_000), ("1h30m", 5_400_000), ("1d1ms", 86_400_001)],
)
def test_durations_are_read_exactly(text: str, milliseconds: int) -> None:
    assert quantities.parse_duration(text) == milliseconds
    assert quantities.parse_retention(text) == milliseconds


def test_retention_may_be_for_ever() -> None:
    assert quantities.parse_retention("forever") == quantities.FOREVER
    assert quantities.format_duration(quantities.FOREVER) == "forever"


@pytest.mark.parametrize(
    ("value", "millicores"), [(2, 2000), ("2", 2000), (0.5, 500), ("0.25", 250), ("500m", 500), ("1m", 1), (1.0, 1000)]
)
def test_cpu_is_read_in_cores_or_millicores(value: object, millicores: int) -> None:
    assert quantities.parse_cpu(value) == millicores


@given(AMOUNTS)
def test_a_written_size_reads_as_itself(amount: int) -> None:
    text = quantities.format_bytes(amount)
    assert quantities.parse_bytes(text) == amount
    assert quantities.parse_byte_rate(f"{text}/s") == amount


@given(AMOUNTS)
def test_a_kubernetes_quantity_means_the_same_to_kubernetes(amount: int) -> None:
    """Suffixes as Kubernetes reads them: no B, and k is the only small letter."""
    text = quantities.kubernetes_bytes(amount)
    suffixes = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50}
    suffixes |= {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "": 1}
    number = text.rstrip("KMGTPik")
    assert int(number) * suffixes[text.removeprefix(number)] == amount


@given(AMOUNTS)
def test_a_written_duration_reads_as_itself(amount: int) -> None:
    assert quantities.parse_duration(quantities.format_duration(amount)) == amount


@given(st.decimals("0.000000001", "999999999999", places=9))
def test_a_written_rate_reads_as_itself(rate: Decimal) -> None:
    assert quantities.parse_count_rate(quantities.format_count_rate(float(rate))) == float(rate)


@given(st.integers(1, 10**9 - 1))
def test_written_cpu_reads_as_itself(millicores: int) -> None:
    assert quantities.parse_cpu(quantities.format_cpu(millicores)) == millicores


@given(written.SIZES)
def test_every_way_to_write_a_size_survives_being_rewritten(text: str) -> None:
    amount = quantities.parse_bytes(text)
    assert quantities.parse_bytes(quantities.format_bytes(amount)) == amount


@pytest.mark.parametrize(
    ("text", "shortest"), [("10240KiB", "10MiB"), ("1000kB", "1MB"), ("1024B", "1KiB"), ("1500MB", "1500MB")]
)
def test_sizes_are_written_in_the_unit_that_makes_them_short(text: str, shortest: str) -> None:
    assert quantities.format_bytes(quantities.parse_bytes(text)) == shortest


@pytest.mark.parametrize("parse", [quantities.parse_bytes, quantities.parse_duration, quantities.parse_byte_rate])
@pytest.mark.parametrize(
    "value", [10, 10.0, "10", "", " 10MiB", "10 MiB", "10MiB\n", "-1B", "1,5GB", "1e3kB", None, True, "٣d"]
)
def test_what_has_no_unit_or_no_number_is_refused(parse: Callable[[object], int], value: object) -> None:
    with pytest.raises(WrongValue, match="write"):
        parse(value)


@pytest.mark.parametrize(
    ("parse", "zero"),
    [
        (quantities.parse_bytes, "0GiB"),
        (quantities.parse_bytes, "0.1B"),
        (quantities.parse_duration, "0d"),
        (quantities.parse_byte_rate, "0B/s"),
        (quantities.parse_count_rate, "0/s"),
        (quantities.parse_count_rate, "0.0/s"),
        (quantities.parse_percent, "0%"),
        (quantities.parse_cpu, 0),
        (quantities.parse_cpu, "0m"),
        (quantities.parse_cpu, "0.0001"),
    ],
)
def test_zero_is_refused(parse: Callable[[object], int], zero: object) -> None:
    with pytest.raises(WrongValue, match="0"):
        parse(zero)


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (quantities.parse_bytes, "8192PiB"),
        (quantities.parse_bytes, "9" * 5000 + "B"),
        (quantities.parse_bytes, "9.9" + "9" * 400 + "PiB"),
        (quantities.parse_duration, "9" * 18 + "w"),
        (quantities.parse_count_rate, "9" * 400 + "/s"),
        (quantities.parse_percent, "9" * 400 + "%"),
        (quantities.parse_cpu, "9" * 400),
        (quantities.parse_cpu, float("inf")),
        (quantities.parse_cpu, float("nan")),
        (quantities.parse_cpu, 1e300),
    ],
)
def test_what_kafka_and_kubernetes_cannot_count_is_refused(parse: Callable[[object], Any], value: object) -> None:
    with pytest.raises(WrongValue) as refused:
        parse(value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("amount", [(1 << 20) - 1, 1 << 31])
def test_a_segment_that_kafka_refuses_is_refused(amount: int) -> None:
    with pytest.raises(WrongValue, match="Kafka"):
        quantities.check_segment(amount)


def test_a_nested_value_is_not_repeated() -> None:
    with pytest.raises(WrongValue) as refused:
        quantities.parse_bytes({"password": "hunter2"})
    assert str(refused.value).startswith("a mapping is not a size")
