"""How cases are made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from policies.model import Subject
from tests.policy import environments as env

Body = dict[str, Any]
DLQ, ORDERS, INVOICES = "shop_orders_dlq", "shop_orders_orders", "billing_invoices_invoices"
ORDERS_SOURCE = "pipelines[0].source.mysql.tables[0]"
KAFKA, BROKERS = "Kafka/cdc/cdc", "KafkaNodePool/cdc/brokers"
BROKER, CONTROLLER = "Container/cdc-brokers-0", "Container/cdc-controllers-100"


@dataclass(frozen=True)
class Case:
    """``broken`` breaks ``rule`` at ``path``, and ``resource`` where an object is to blame."""

    rule: str
    what: str
    broken: Callable[[], Subject]
    path: str
    resource: str | None = None
    base: str = "prod"

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


def spec(rule: str, what: str, path: str, changes: dict[str, Any], resource: str | None = None, base: str = "prod") -> Case:
    """A case that a user's own words make."""
    return Case(rule, what, lambda: env.with_spec(changes, base), path, resource, base)


def manifests(
    rule: str, what: str, path: str, resource: str, change: Callable[[Body], None], *kinds: str, name: str | None = None
) -> Case:
    """A case that only a fault in the rendering makes."""
    return Case(rule, what, lambda: env.with_manifests(change, *kinds, name=name), path, resource)


def topic(rule: str, what: str, path: str, name: str, **changes: Any) -> Case:
    """A case that only a fault in the derivation makes, in one topic."""
    return Case(rule, what, lambda: env.with_topic(name, **changes), path, f"KafkaTopic/cdc/{name.replace('_', '-')}")


def config(**settings: object) -> Callable[[Body], None]:
    """Changes keys (``_`` for ``.``) of the brokers' configuration; ``None`` takes one out."""

    def change(body: Body) -> None:
        target = body["spec"]["kafka"]["config"]
        for key, value in settings.items():
            target[key.replace("_", ".")] = value
            if value is None:
                del target[key.replace("_", ".")]

    return change


def at(path: str, value: object) -> Callable[[Body], None]:
    """Sets (or, with REMOVED, takes out) the value at the ``/``-separated path of an object."""

    def change(body: Body) -> None:
        *parents, last = path.split("/")
        place: Any = body
        for step in parents:
            place = place[int(step)] if step.isdigit() else place.setdefault(step, {})
        if value is env.REMOVED:
            del place[int(last) if last.isdigit() else last]
        else:
            place[int(last) if last.isdigit() else last] = value

    return change


def extra(rule: str, what: str, path: str, resource: str, body: Body) -> Case:
    """A case that one rendered object more makes."""
    return Case(rule, what, lambda: env.with_manifest(body), path, resource)
