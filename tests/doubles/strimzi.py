"""A fake of Strimzi's operator, for KafkaConnector objects: what it does to them and to Connect, as its sources have it.

It makes a connector running and then stops it, looks only when an object has changed, does nothing to a connector that has
failed as a whole (``broken``) but is to be stopped, and keeps the annotation, and warns, where positions could not be listed or
altered.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from operations.connect.cluster import Cluster, ConnectError, State
from operations.connect.kubectl import Body

OFFSETS, KEY = "strimzi.io/connector-offsets", "offsets.json"
RESTARTS = ("strimzi.io/restart", "strimzi.io/restart-task")
CLUSTER = "strimzi.io/cluster"
PAUSED = "strimzi.io/pause-reconciliation"
_ATTEMPTS = 15


class Objects(Protocol):
    """What the operator asks of an API server."""

    def connectors(self) -> list[Body]: ...
    def patch_connector(self, name: str, change: Body) -> None: ...
    def set_status(self, name: str, status: Body) -> None: ...
    def config_map(self, name: str) -> Mapping[str, str] | None: ...
    def write_config_map(self, name: str, data: Mapping[str, str]) -> None: ...


class FakeOperator:
    """``clusters`` are the Connect clusters by the name of their KafkaConnect. ``starts_first`` is what the releases do that do
    not know KIP-980."""

    def __init__(self, objects: Objects, clusters: Mapping[str, Cluster], *, starts_first: bool = True) -> None:
        self.objects, self.clusters, self.starts_first = objects, clusters, starts_first
        self.refuses: dict[str, str] = {}
        """Why Connect does not take positions of a connector."""
        self.broken: set[str] = set()
        self._seen: dict[str, str] = {}
        self._owned: dict[str, str] = {}

    def step(self) -> bool:
        """What events there are; whether there were any."""
        bodies = {body["metadata"]["name"]: body for body in self.objects.connectors()}
        for name in [name for name in self._owned if name not in bodies]:
            cluster = self.clusters[self._owned.pop(name)]
            self._seen.pop(name, None)
            if name in cluster.states():
                cluster.delete(name)
        acted = False
        for name, body in bodies.items():
            if self._seen.get(name) != body["metadata"]["resourceVersion"] and PAUSED not in _annotations(body):
                self._seen[name] = body["metadata"]["resourceVersion"]
                self._reconcile(name, body)
                acted = True
        return acted

    def _reconcile(self, name: str, body: Body) -> None:
        label = body["metadata"]["labels"][CLUSTER]
        self._owned[name] = label
        status: Body = {"observedGeneration": body["metadata"]["generation"]}
        try:
            warnings = self._act(self.clusters[label], name, body)
            state = _status(self.clusters[label], name)
            status |= {
                "connectorStatus": _as_connect_says(state, name in self.broken),
                "conditions": [_condition("Ready"), *warnings],
            }
        except ConnectError as error:
            status["conditions"] = [_condition("NotReady", "ConnectRestException", str(error))]
        if _timeless(status) != _timeless(body.get("status", {})):
            self.objects.set_status(name, status)

    def _act(self, cluster: Cluster, name: str, body: Body) -> list[Body]:
        spec = body["spec"]
        wanted = {**spec["config"], "connector.class": spec["class"], "tasks.max": str(spec["tasksMax"])}
        target = spec.get("state", "running")
        if name not in cluster.states():
            refused = cluster.refusals(name, wanted)
            if refused:
                raise ConnectError("; ".join(refused))
            if target == "stopped" and not self.starts_first:
                cluster.create_stopped(name, wanted)
            else:
                cluster.put(name, wanted)
                self._turn(cluster, name, target)
            return []
        if cluster.config(name) != wanted:
            cluster.put(name, wanted)
            self._turn(cluster, name, target)
            return []
        self._turn(cluster, name, target)
        return [*self._offsets(cluster, name, body), *self._restart(cluster, name, body)]

    def _turn(self, cluster: Cluster, name: str, target: str) -> None:
        lives = _status(cluster, name).lives
        if name in self.broken:
            return
        if lives == "stopped" and target == "running":
            cluster.resume(name)
        elif lives != "stopped" and target == "stopped":
            cluster.stop(name)

    def _offsets(self, cluster: Cluster, name: str, body: Body) -> list[Body]:
        verb = _annotations(body).get(OFFSETS)
        if verb is None:
            return []
        try:
            if verb == "list":
                offsets = json.dumps({"offsets": list(cluster.offsets(name))})
                self.objects.write_config_map(body["spec"]["listOffsets"]["toConfigMap"]["name"], {KEY: offsets})
            else:
                self._alter(cluster, name, body["spec"]["alterOffsets"]["fromConfigMap"]["name"])
        except ConnectError as error:
            reason = {"list": "ListOffsets", "alter": "AlterOffsets"}[verb]
            return [_condition("Warning", reason, f"Encountered error altering connector offsets. {error}")]
        self.objects.patch_connector(name, {"metadata": {"annotations": {OFFSETS: None}}})
        return []

    def _alter(self, cluster: Cluster, name: str, config_map: str) -> None:
        if cluster.states()[name].lives != "stopped":
            raise ConnectError("Connector is not in STOPPED state")
        if name in self.refuses:
            raise ConnectError(self.refuses[name])
        data = self.objects.config_map(config_map)
        if data is None:
            raise ConnectError(f"ConfigMap {config_map} does not exist.")
        cluster.write_offsets(name, tuple(json.loads(data[KEY])["offsets"]))

    def _restart(self, cluster: Cluster, name: str, body: Body) -> list[Body]:
        asked = [annotation for annotation in RESTARTS if annotation in _annotations(body)]
        if asked:
            (cluster.restart if "includeTasks" in _annotations(body).values() else cluster.restart_failed)(name)
            self.broken.discard(name)
            self.objects.patch_connector(name, {"metadata": {"annotations": dict.fromkeys(asked)}})
        return []


def _status(cluster: Cluster, name: str) -> State:
    """Workers know what was asked of them a moment later: the operator asks again for a while."""
    for attempt in range(_ATTEMPTS):
        found = cluster.states()
        if name in found:
            return found[name]
        time.sleep(min(0.05 * 2**attempt, 1.0))
    raise ConnectError(f"404 No status found for connector {name}")


def _annotations(body: Body) -> Mapping[str, str]:
    found: Mapping[str, str] = body["metadata"].get("annotations") or {}
    return found


def _as_connect_says(state: State, broken: bool) -> Body:
    if broken:
        return {"connector": {"state": "FAILED", "trace": "it does not start"}, "tasks": []}
    word = {"starting": "RUNNING", "failed": "RUNNING"}.get(state.lives, state.lives.upper())
    tasks = [{"id": number, "state": state.lives.upper(), "trace": state.why} for number in range(state.tasks)]
    if state.lives == "starting":
        tasks = [{**task, "state": "UNASSIGNED"} for task in tasks]
    return {"connector": {"state": word}, "tasks": tasks}


def _condition(kind: str, reason: str = "", message: str = "") -> Body:
    now = datetime.now(UTC).isoformat()
    return {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}


def _timeless(status: Body) -> Any:
    """What the operator compares to tell whether a status has changed."""
    conditions = [{k: v for k, v in one.items() if k != "lastTransitionTime"} for one in status.get("conditions", ())]
    return {**status, "conditions": conditions}
