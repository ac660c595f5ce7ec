"""What leads one environment to another's pipelines and versions, and the text of its file after that. Pure.

After a promotion the target differs from the source only where the target's ``promotion.diverges`` says so.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.core.fields import place_at
from components.core.paths import Location, format_step, parse_path
from components.environment import EnvironmentSpec
from components.promotion.spec import PromotionSpec
from operations.compare import ABSENT
from operations.project import WrittenSpec
from operations.yaml_edit import CannotEdit, item_text, with_item, with_value, without

_REFERENCE = re.compile(r"(vault|secret):\S+#\S+$")
Kind = Literal["moves", "diverges"]


class Named(str):
    """A step to the list item of this name."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two specs differ; ``ABSENT`` where one has nothing."""

    location: Location
    source: Any
    target: Any

    @property
    def path(self) -> str:
        return shown_path(self.location)


@dataclass(frozen=True, slots=True)
class Promotion:
    """``text`` is the target's file as it would be. ``kept`` may differ; ``refused`` may not, with why; ``unsaid`` are paths of
    the target's own that only a person can fill; ``left_out`` those of a new part that were the source's own."""

    moves: tuple[Difference, ...]
    kept: tuple[Difference, ...]
    refused: tuple[tuple[Difference, str], ...]
    unsaid: tuple[str, ...]
    left_out: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Side:
    """An environment and what its author wrote."""

    spec: EnvironmentSpec
    written: WrittenSpec


def shown_path(location: Location) -> str:
    """``pipelines[orders].source.mysql.host``."""
    return "".join(f"[{step}]" if isinstance(step, Named) else format_step(step) for step in location).removeprefix(".")


def differences(source: Any, target: Any, location: Location = ()) -> Iterator[Difference]:
    """Where two plain values differ, leaf by leaf. Items of lists are known by their names, where all have one; a mapping with
    keys of the user's choice is compared with nothing key by key; and nothing is the same as null."""
    if isinstance(source, Mapping) and isinstance(target, Mapping):
        for key in dict.fromkeys([*source, *target]):
            yield from differences(source.get(key, ABSENT), target.get(key, ABSENT), (*location, str(key)))
    elif (source is ABSENT or target is ABSENT) and (isinstance(source, Mapping) or isinstance(target, Mapping)):
        yield from differences({} if source is ABSENT else source, {} if target is ABSENT else target, location)
    elif _named(source) and _named(target):
        theirs, ours = ({item["name"]: item for item in side} for side in (source, target))
        for name in dict.fromkeys([*theirs, *ours]):
            place = (*location, Named(name))
            if name in theirs and name in ours:
                yield from differences(theirs[name], ours[name], place)
            else:
                yield Difference(place, theirs.get(name, ABSENT), ours.get(name, ABSENT))
    elif source != target and not (source in (None, ABSENT) and target in (None, ABSENT)):
        yield Difference(location, source, target)


def _named(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(i, Mapping) and "name" in i for i in value)
    )


def kind_of(location: Location, rules: PromotionSpec) -> Kind | None:
    """What the rules say of a place: the longest pattern that covers it wins, then the one with fewer ``*``."""
    found: list[tuple[int, int, bool]] = []
    for diverges, patterns in ((False, rules.moves), (True, rules.diverges)):
        for pattern in patterns:
            steps = [str(step) for step in parse_path(pattern)]
            if len(steps) <= len(location) and all(a in {"*", str(b)} for a, b in zip(steps, location, strict=False)):
                found.append((len(steps), -steps.count("*"), diverges))
    if not found:
        return None
    return "diverges" if max(found)[2] else "moves"


def plan(source: Side, target: Side, pipelines: Collection[str], said: Mapping[str, Any]) -> Promotion:
    """What is to be done. ``pipelines``: only these and their tenants, all and versions too when empty; ``said``: values for
    what is the target's own, by path. Raises :class:`CannotEdit` where the file has to be changed by hand."""
    rules = target.spec.promotion
    moves, kept, refused = [], [], []
    for each in differences(whole(source.spec), whole(target.spec)):
        if not _chosen(each.location, pipelines, source.spec):
            continue
        kind = kind_of(each.location, rules)
        if kind == "diverges" or _is_own(each):
            kept.append(each)
        elif kind is None:
            refused.append((each, "may neither differ nor be moved"))
        elif isinstance(each.location[-1], Named) and each.source is ABSENT:
            refused.append((each, f"only {target.spec.name} has it, and a promotion takes nothing away"))
        else:
            moves.append(each)
    editor = _Editor(source, target, rules, said)
    for each in sorted(moves, key=lambda move: move.source is None or move.source is ABSENT):
        editor.move(each)  # what comes before what goes: a mapping that is left empty would go with it
    editor.say_the_rest()
    return Promotion(tuple(moves), tuple(kept), tuple(refused), tuple(editor.unsaid), tuple(editor.left_out), editor.text)


def whole(spec: EnvironmentSpec) -> dict[str, Any]:
    """The spec in plain values, defaults included."""
    return spec.model_dump(mode="json", by_alias=True, exclude={"name"})


def _chosen(location: Location, pipelines: Collection[str], source: EnvironmentSpec) -> bool:
    if not pipelines:
        return True
    tenants = {pipeline.tenant for pipeline in source.pipelines if pipeline.name in pipelines}
    wanted = {"pipelines": set(pipelines), "tenants": tenants}.get(str(location[0]), set())
    return len(location) > 1 and str(location[1]) in wanted


def _is_own(each: Difference) -> bool:
    """What no list needs to say: where a secret lies, and an image that one of them leaves to the platform, so that the other
    one's is made for that environment."""
    if each.location[-1] == "image" and None in (each.source, each.target):
        return True
    return is_reference(each.source) or is_reference(each.target)


def is_reference(value: Any) -> bool:
    """Whether a value of a spec says where a secret lies."""
    return isinstance(value, str) and _REFERENCE.match(value) is not None


class _Editor:
    """Carries the text from one edit to the next."""

    def __init__(self, source: Side, target: Side, rules: PromotionSpec, said: Mapping[str, Any]) -> None:
        self._source, self._target, self._rules = source, target, rules
        self._said = {parse_path(path): value for path, value in said.items()}
        self._given: set[tuple[str, ...]] = set()
        self._items: dict[Location, list[Any]] = {}
        self._published = source.spec.published()
        self.text = target.written.text
        self.unsaid: list[str] = []
        self.left_out: list[str] = []

    def move(self, each: Difference) -> None:
        found = _value_at(self._published, each.location)
        if isinstance(each.location[-1], Named):
            self._add_item(each.location, found)
        elif found is ABSENT:
            self.text = without(self.text, self._place(each.location))
        else:
            value = self._own_values(each.location, found)
            self.text = with_value(self.text, self._place(each.location), {} if value is ABSENT else value)

    def say_the_rest(self) -> None:
        """Values that were said for parts that are there already."""
        for place, value in self._said.items():
            if _key(place) not in self._given:
                self.text = with_value(self.text, self._place(_with_names(place, self._target.spec)), value)

    def _add_item(self, location: Location, found: Any) -> None:
        index = _index_in(self._source.written.value, location)
        item = item_text(self._source.written.text, (*self._source.written.prefix, *index))
        for leaf in _leaves(found, location):
            if self._is_left_behind(leaf, _value_at(self._published, leaf)):
                value = self._own(leaf)
                inside = (0, *leaf[len(location) :])
                item = without(item, inside) if value is ABSENT else with_value(item, inside, value)
        for place, value in self._said.items():
            if _key(place)[: len(location)] == _key(location) and _key(place) not in self._given:
                self._given.add(_key(place))
                item = with_value(item, (0, *place[len(location) :]), value)
        self.text = with_item(self.text, self._place(location[:-1]), item)

    def _own_values(self, location: Location, value: Any) -> Any:
        """``value`` of a new part without what is the source's own, and with what was said in its place."""
        if isinstance(value, Mapping):
            kept = {key: self._own_values((*location, str(key)), inner) for key, inner in value.items()}
            kept = {key: inner for key, inner in kept.items() if inner is not ABSENT}
            return kept if kept or not value else ABSENT
        return self._own(location) if self._is_left_behind(location, value) else value

    def _is_left_behind(self, location: Location, value: Any) -> bool:
        return kind_of(location, self._rules) == "diverges" or is_reference(value)

    def _own(self, location: Location) -> Any:
        for place, value in self._said.items():
            if _key(place) == _key(location):
                self._given.add(_key(place))
                return value
        required = not place_at(EnvironmentSpec, location).optional
        (self.unsaid if required else self.left_out).append(shown_path(location))
        return ABSENT

    def _place(self, location: Location) -> Location:
        return (*self._target.written.prefix, *_index_in(self._target.written.value, location))


def _key(location: Location) -> tuple[str, ...]:
    return tuple(str(step) for step in location)


def _value_at(value: Any, location: Location) -> Any:
    for step in location:
        if isinstance(step, Named):
            value = next((item for item in value if item.get("name") == step), ABSENT) if isinstance(value, list) else ABSENT
        else:
            value = value.get(step, ABSENT) if isinstance(value, Mapping) else ABSENT
        if value is ABSENT:
            return ABSENT
    return value


def _index_in(value: Any, location: Location) -> Location:
    """``location`` with the places of named items in the lists that the author wrote."""
    found: list[str | int] = []
    for step in location:
        if isinstance(step, Named):
            items = value if isinstance(value, list) else []
            place = next((i for i, item in enumerate(items) if isinstance(item, dict) and item.get("name") == step), None)
            if place is None:
                raise CannotEdit
            found.append(place)
            value = items[place]
        else:
            found.append(step)
            value = value.get(step) if isinstance(value, dict) else None
    return tuple(found)


def _with_names(location: Location, spec: EnvironmentSpec) -> Location:
    """A path as it was typed, ``pipelines[orders].…``, with its names told from keys."""
    value: Any = whole(spec)
    found: list[str | int] = []
    for step in location:
        named = _named(value) and not isinstance(value, Mapping) and bool(value)
        found.append(Named(step) if named else step)
        value = _value_at(value, (found[-1],))
    return tuple(found)


def _leaves(value: Any, location: Location) -> Iterator[Location]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*location, str(key)))
    else:
        yield location


__all__ = [
    "CannotEdit",
    "Difference",
    "Named",
    "Promotion",
    "Side",
    "differences",
    "kind_of",
    "plan",
    "shown_path",
]
