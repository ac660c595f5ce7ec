"""Benchmarks: the generator against its peers on the same objects, in the same run. ``python -m bench --help``."""
