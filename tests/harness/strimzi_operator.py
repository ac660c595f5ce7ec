"""A fake of Strimzi's operator at work: it watches KafkaConnector objects on a real API server, and drives Connect."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from operations.connect.cluster import Cluster
from operations.connect.kubectl import Body
from tests.doubles.strimzi import FakeOperator
from tests.harness.api_server import ApiServer

INTERVAL_SECONDS = 0.05
MERGE = {"Content-Type": "application/merge-patch+json"}


class ServedObjects:
    """What the operator asks of an API server, in one namespace."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._http, self._namespace = server.http, namespace
        self._connectors = f"/apis/kafka.strimzi.io/v1/namespaces/{namespace}/kafkaconnectors"
        self._config_maps = f"/api/v1/namespaces/{namespace}/configmaps"

    def connectors(self) -> list[Body]:
        items: list[Body] = self._http.get(self._connectors).raise_for_status().json()["items"]
        return items

    def patch_connector(self, name: str, change: Body) -> None:
        self._patch(f"{self._connectors}/{name}", change)

    def set_status(self, name: str, status: Body) -> None:
        """A status that takes the place of the old one: what it leaves out is taken out."""
        gone: Body = {"connectorStatus": None, "conditions": []}
        self._patch(f"{self._connectors}/{name}/status", {"status": gone | status})

    def config_map(self, name: str) -> Mapping[str, str] | None:
        answer = self._http.get(f"{self._config_maps}/{name}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        data: Mapping[str, str] = answer.raise_for_status().json()["data"]
        return data

    def write_config_map(self, name: str, data: Mapping[str, str]) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}
        parameters = {"fieldManager": "operator", "force": "true"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        self._http.patch(f"{self._config_maps}/{name}", json=body, params=parameters, headers=headers).raise_for_status()

    def _patch(self, path: str, change: Body) -> None:
        """What is gone meanwhile is the next look's business."""
        answer = self._http.patch(path, json=change, headers=MERGE)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()


@contextmanager
def operating(server: ApiServer, namespace: str, clusters: Mapping[str, Cluster]) -> Iterator[FakeOperator]:
    """An operator for one namespace, for the time of the context. A fault of its own is raised at the end."""
    operator = FakeOperator(ServedObjects(server, namespace), clusters)
    ended, faults = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            while not ended.wait(INTERVAL_SECONDS):
                operator.step()
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield operator
    finally:
        ended.set()
        thread.join()
        if faults:
            raise faults[0]
