"""Connectors that run on docker, seen as the objects that they would be on Kubernetes: a namespace for each colour, because
their names are the same on both."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from components.connect.connectors import Connector, connectors
from components.connect.names import COLOURS, Colour
from operations.connect.kubectl import Body, Kubectl
from operations.connect.kubernetes import KubernetesCluster
from operations.connect.switching import Colours
from tests.harness.api_server import ApiServer
from tests.harness.connect_stack import ConnectStack, Inside
from tests.harness.strimzi_operator import operating

CONTEXT = "test"
"""Of the API server's kubeconfig."""

PATIENCE_SECONDS = 60.0


class FromOutside:
    """A colour's REST interface; each request is made from inside the stack's network."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self._inside.ask(lambda rest: getattr(rest, name)(*given))


def object_of(connector: Connector, colour: Colour) -> Body:
    """The KafkaConnector of a connector as docker has it."""
    config = {key: value for key, value in connector.config.items() if key not in {"connector.class", "tasks.max"}}
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaConnector",
        "metadata": {"name": connector.name, "namespace": colour, "labels": {"strimzi.io/cluster": colour}},
        "spec": {"class": connector.connector_class, "tasksMax": connector.tasks, "config": config},
    }


def colours_of(stack: ConnectStack, old: Colour, new: Colour) -> Colours:
    """What moves."""
    return Colours(connectors(stack.kafka.stack.spec, old), connectors(stack.kafka.stack.spec, new))


@contextmanager
def on_kubernetes(stack: ConnectStack, server: ApiServer) -> Iterator[Mapping[Colour, KubernetesCluster]]:
    """Both colours; ``kubectl`` must find the server's kubeconfig. The connectors that run become the operator's."""
    found: dict[Colour, KubernetesCluster] = {}
    with ExitStack() as operators:
        for colour in COLOURS:
            bodies = {one.name: object_of(one, colour) for one in connectors(stack.kafka.stack.spec, colour)}
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": colour}}
            refused = server.apply([namespace, *(bodies.values() if colour == stack.active else ())])
            assert refused == []
            clusters: Mapping[str, Any] = {colour: FromOutside(stack.cluster(colour))}
            operators.enter_context(operating(server, colour, clusters))
            found[colour] = KubernetesCluster(colour, Kubectl(colour, CONTEXT), colour, bodies, PATIENCE_SECONDS)
        yield found
