"""The Pulumi package ``cdc``: each component by its token, for programs in any Pulumi language."""

import json
from collections.abc import Iterator
from typing import Any

import pulumi
from pulumi.provider import ConstructResult, Provider

from components.core.errors import CdcError, Problem, SpecError
from components.loading import build_environment
from components.outputs import stack_outputs
from components.package_schema import VERSION, package_schema
from components.stack import CdcPlatform
from components.targets.component import PlatformComponent


def _with_children(component: type[PlatformComponent]) -> Iterator[type[PlatformComponent]]:
    yield component
    for child in component.children:
        yield from _with_children(child)


COMPONENTS: dict[str, type[PlatformComponent]] = {component.token: component for component in _with_children(CdcPlatform)}


class CdcPackage(Provider):
    """Constructs components from plain inputs, which are the fields of an environment's spec."""

    def __init__(self) -> None:
        descriptions = {token: str(component.__doc__) for token, component in COMPONENTS.items()}
        super().__init__(VERSION, json.dumps(package_schema(descriptions)))

    def construct(
        self, name: str, resource_type: str, inputs: pulumi.Inputs, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """The component of type ``resource_type``. Raises ``InputPropertiesError`` for a spec that is refused."""
        component = COMPONENTS.get(resource_type)
        if component is None:
            raise CdcError(f"{resource_type}: no such component\n      → use one of {', '.join(sorted(COMPONENTS))}")
        try:
            plain = {key: _plain(value) for key, value in inputs.items() if value is not None}
            spec = build_environment(plain, str(plain.get("name", name)), f"{resource_type} {name}")
        except SpecError as error:
            raise pulumi.InputPropertiesError(str(error), [_reason(problem) for problem in error.problems]) from None
        made = component(name, spec, options)
        return ConstructResult(urn=made.urn, state={"summary": stack_outputs(spec)})


def _reason(problem: Problem) -> pulumi.InputPropertyErrorDetails:
    return {"property_path": problem.path, "reason": f"{problem.message}; {problem.remedy}".removesuffix("; ")}


def _plain(value: Any) -> Any:
    """Inputs as a file would hold them: whole numbers arrive as floats, and nothing may depend on another resource."""
    if isinstance(value, pulumi.Output):
        raise SpecError(
            [Problem("", "a spec is made of plain values", "pass no output of another resource; secrets go by reference")]
        )
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
