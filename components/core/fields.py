"""Which field of a spec model a path leads to."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from components.core.model import SpecModel
from components.core.paths import Location


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: ``field`` of ``owner`` (``None`` for a key that ``owner`` does not know) or a part of its value.

    ``annotation`` is what the value there must be, ``location`` the path as far as it leads into the models.
    """

    location: Location
    owner: type[SpecModel]
    field: FieldInfo | None
    annotation: Any

    @property
    def is_whole_field(self) -> bool:
        """Whether the path ends at a field itself, not inside a list or mapping that the field holds."""
        return self.field is None or self.location[-1] == self.field.alias

    @property
    def optional(self) -> bool:
        """Whether the value may be left out."""
        return self.is_whole_field and (self.field is None or not self.field.is_required())

    @property
    def help(self) -> str:
        """What the field means."""
        return "" if self.field is None else str(self.field.description)


def place_at(model: type[SpecModel], location: Location) -> Place:
    """The place that ``location`` leads to from ``model``; where it leaves the models, the last place before that."""
    place = Place((), model, None, model)
    for step in location:
        inner = _step_into(place, step)
        if inner is None:
            return place
        place = inner
        if place.field is None:
            return place
    return place


def _step_into(place: Place, step: str | int) -> Place | None:
    annotation = without_none(place.annotation)
    location = (*place.location, step if get_origin(annotation) is tuple else str(step))
    if is_model(annotation):
        field = fields_by_key(annotation).get(str(step))
        return Place(location, annotation, field, Any if field is None else full_annotation(field))
    inner = item_annotation(annotation)
    return None if inner is None else Place(location, place.owner, place.field, inner)


def fields_by_key(model: type[SpecModel]) -> dict[str, FieldInfo]:
    """The model's fields by the key that the user writes."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def full_annotation(field: FieldInfo) -> Any:
    """The field's type with its constraints."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def without_none(annotation: Any) -> Any:
    """``X`` of ``X | None``, and of ``X`` with constraints that come from outside of it."""
    if get_origin(annotation) is Annotated and get_origin(get_args(annotation)[0]) is not None:
        return without_none(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return parts[0] if len(parts) == 1 else annotation
    return annotation


def is_model(annotation: Any) -> bool:
    """Whether a type is a spec model."""
    return isinstance(annotation, type) and issubclass(annotation, SpecModel)


def is_mapping(annotation: Any) -> bool:
    """Whether a type is a mapping with keys of the user's choice."""
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def item_annotation(annotation: Any) -> Any:
    """What a list's items or a mapping's values must be; ``None`` for anything else."""
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0]
    return get_args(annotation)[1] if is_mapping(annotation) else None


def model_inside(annotation: Any) -> type[SpecModel] | None:
    """The spec model that an annotation holds, through ``X | None``, ``tuple[X, ...]`` and ``Mapping[str, X]``."""
    annotation = without_none(annotation)
    inner = annotation if is_model(annotation) else without_none(item_annotation(annotation))
    return inner if is_model(inner) else None
