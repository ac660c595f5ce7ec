"""How often Python looks for garbage that only a cycle keeps alive."""

import gc

_ALLOCATIONS = 100_000
_GENERATIONS = 20


def collect_rarely() -> None:
    """Python's own figure is 700 allocations, so that a program which makes a million objects and keeps them all looks through
    them again and again: a quarter of the time of ``cdc`` with 10,000 topics, and a third of a Pulumi program's with 1,000.

    For programs only, never for a library: it holds for the whole process.
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, _GENERATIONS, _GENERATIONS)
