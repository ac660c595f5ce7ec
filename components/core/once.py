"""Results of pure functions of an environment, kept for as long as the environment is: it is frozen, and several ask."""

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Concatenate, ParamSpec, TypeVar

Spec = TypeVar("Spec")
Result = TypeVar("Result")
Rest = ParamSpec("Rest")


def once_for_each(function: Callable[Concatenate[Spec, Rest], Result]) -> Callable[Concatenate[Spec, Rest], Result]:
    """``function`` is called once for each environment (the very object) and further arguments, which are hashable."""
    kept: dict[int, dict[Hashable, Result]] = {}

    @functools.wraps(function)
    def remembered(spec: Spec, /, *rest: Rest.args, **options: Rest.kwargs) -> Result:
        results = kept.get(id(spec))
        if results is None:
            results = kept[id(spec)] = {}
            weakref.finalize(spec, kept.pop, id(spec), None)
        key = (rest, tuple(sorted(options.items())))
        if key not in results:
            results[key] = function(spec, *rest, **options)
        return results[key]

    return remembered
