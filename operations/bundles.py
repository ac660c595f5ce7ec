"""Options that several verbs take together: a dataclass of them is one parameter of a command."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints


def bundled(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` as Typer is to see it: a parameter whose type is a dataclass is replaced by the dataclass's fields, each an
    option of its own. A field's annotation is ``Annotated[…, typer.Option(…)]``, its default the option's."""
    hints = get_type_hints(command, include_extras=True)
    parts: dict[str, dict[str, str]] = {}
    seen: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        kind = hints[parameter.name]
        if is_dataclass(kind) and isinstance(kind, type):
            options = get_type_hints(kind, include_extras=True)
            parts[parameter.name] = {field.name: f"{parameter.name}_{field.name}" for field in fields(kind)}
            seen += [_option(f"{parameter.name}_{field.name}", field, options[field.name]) for field in fields(kind)]
        else:
            seen.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=kind))

    @functools.wraps(command)
    def called(**given: Any) -> None:
        made = {name: hints[name](**{field: given.pop(option) for field, option in own.items()}) for name, own in parts.items()}
        command(**given, **made)

    called.__signature__ = inspect.Signature(seen)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in seen}
    return called


def _option(name: str, field: "Field[Any]", kind: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
