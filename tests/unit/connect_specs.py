"""Small environments with Kafka Connect, and what is derived and rendered from them."""

from typing import Any

from components.connect.connectors import Connector, connectors
from components.core.rendered import Rendered
from tests.strategies.examples import build, shop

IMAGE = "acme/connect:1"
JDBC = {"postgres": {"database": "w", "password": "vault:w#p"}, "via": "jdbc"}


def kubernetes(changes: dict[str, Any] | None = None, **connect: Any) -> dict[str, Any]:
    return shop({"connect": {"image": IMAGE, **connect}, **(changes or {})})


def docker(changes: dict[str, Any] | None = None, **connect: Any) -> dict[str, Any]:
    values = kubernetes(changes, **connect)
    values["connect"].pop("image") if "image" not in connect else None
    return values | {"target": "docker"}


def connector(values: dict[str, Any], name: str, colour: Any = "blue") -> Connector:
    return next(one for one in connectors(build(values), colour) if one.name == name)


def body(rendered: Rendered, kind: str, name: str) -> Any:
    return next(one.body for one in rendered.manifests if (one.kind, one.name) == (kind, name))
