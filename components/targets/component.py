"""The base of every Pulumi component: it declares exactly what was rendered for its part of the platform, and nothing else."""

from typing import Any, ClassVar, Protocol

import pulumi

from components.core.context import Context
from components.core.rendered import Rendered
from components.targets import declare


class Environment(Protocol):
    """What a component needs of an environment's spec."""

    @property
    def context(self) -> Context:
        """Name, tier, target and namespaces."""
        ...

    def published(self) -> dict[str, Any]:
        """The spec as its author wrote it, in plain values."""
        ...


class PlatformComponent(pulumi.ComponentResource):
    """One part of the platform.

    ``token`` is its Pulumi type, ``part`` the place in the rendered tree whose objects it declares, ``children`` the
    components nested in it; ``foundations`` are the resources that later components wait for. Alone, it renders its part
    itself and registers the spec as its input, which is what policy packs judge; inside another component it is given what
    that one rendered.
    """

    token: ClassVar[str]
    part: ClassVar[str]
    children: ClassVar[tuple[type["PlatformComponent"], ...]] = ()

    def __init__(
        self,
        name: str,
        spec: Environment,
        opts: pulumi.ResourceOptions | None = None,
        *,
        rendered: Rendered | None = None,
        after: tuple[pulumi.Resource, ...] = (),
    ) -> None:
        """``after`` are resources that everything declared here waits for, such as the namespace it lives in."""
        alone = rendered is None
        providers = declare.providers(name, spec.context, opts) if alone else None
        inputs = {"environment": spec.published()} if alone else None
        super().__init__(self.token, name, inputs, pulumi.ResourceOptions.merge(opts, providers))
        rendered = self.render(spec) if rendered is None else rendered
        self.foundations = (*after, *declare.declare(rendered.only(self.part), self, spec.context, after))
        for child in self.children:
            opts = pulumi.ResourceOptions(parent=self)
            made = child(f"{name}-{child.part.rpartition('/')[2]}", spec, opts, rendered=rendered, after=self.foundations)
            self.foundations = made.foundations
        self.register_outputs({})

    @classmethod
    def render(cls, spec: Any) -> Rendered:
        """Everything that this component and its children declare. Pure."""
        raise NotImplementedError
