"""Functions of an environment that are asked often."""

import gc
import weakref

from components.core.once import once_for_each
from components.environment import EnvironmentSpec
from tests.strategies.examples import build, shop


def test_the_same_object_is_worked_on_once_for_each_argument_and_an_equal_one_anew() -> None:
    asked: list[tuple[int, str]] = []

    @once_for_each
    def described(spec: EnvironmentSpec, how: str) -> str:
        asked.append((id(spec), how))
        return f"{spec.name} {how}"

    one, other = build(shop()), build(shop())
    assert one == other
    assert [described(one, "a"), described(one, "a"), described(one, "b"), described(other, "a")] == [
        f"{one.name} {how}" for how in "aaba"
    ]
    assert asked == [(id(one), "a"), (id(one), "b"), (id(other), "a")]


def test_nothing_is_kept_of_an_environment_that_is_gone() -> None:
    class Result(list[str]):
        """A list that can be watched."""

    watched = once_for_each(lambda spec: Result([spec.name]))
    spec = build(shop())
    result = weakref.ref(watched(spec))
    assert result() is not None
    del spec
    gc.collect()
    assert result() is None
