"""Sizes, durations and rates as people write them."""

from functools import cache

from hypothesis import strategies as st

NUMBERS = st.integers(1, 2000)
SIZE_UNITS = ("B", "Ki", "KiB", "Mi", "MiB", "Gi", "GiB", "Ti", "k", "kB", "KB", "M", "MB", "G", "GB", "T", "TB", "PiB")

SIZES = st.builds("{}{}".format, NUMBERS, st.sampled_from(SIZE_UNITS)) | st.sampled_from(["1.5Gi", "0.25MB", "8191PiB"])
SEGMENTS = st.builds("{}MiB".format, st.integers(1, 1000)) | st.sampled_from(["1Gi", "2147483647B"])
MESSAGES = st.builds("{}{}".format, NUMBERS, st.sampled_from(["B", "Ki", "kB", "MB"])) | st.just("2147483647B")
BYTE_RATES = st.builds("{}{}/s".format, NUMBERS, st.sampled_from(["B", "kB", "KiB", "MB", "MiB", "GiB"]))
DURATION_UNITS = st.sampled_from(["ms", "s", "m", "h", "d", "w"])
DURATIONS = st.builds("{}{}".format, NUMBERS, DURATION_UNITS) | st.sampled_from(["1h30m", "1d1ms"])
RETENTIONS = DURATIONS | st.just("forever")
COUNT_RATES = st.builds("{}/s".format, NUMBERS) | st.sampled_from(["0.5/s", "1234567/s", "0.000001/s"])
PERCENTS = st.builds("{}%".format, NUMBERS)


@cache
def cpus(millicores: int) -> st.SearchStrategy[object]:
    """The ways to write one amount of CPU."""
    written: list[object] = [f"{millicores}m"]
    if millicores % 1000 == 0:
        written += [millicores // 1000, str(millicores // 1000), millicores / 1000]
    return st.sampled_from(written)
