"""A Connect cluster whose connectors are Strimzi's ``KafkaConnector`` objects: the operator does what they say.

It answers by their status, which is as old as its last look at them. So each request here waits until the operator has seen
it, and is taken back where it does not within ``patience``.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from operations.connect import objects
from operations.connect.cluster import Config, ConnectError, NotRead, Offsets, Silent, State
from operations.connect.kubectl import CONFIG_MAPS, CONNECTORS, Api, Body
from operations.connect.objects import NOT_ARMED
from operations.connect.rest import state_of

OFFSETS_ANNOTATION = "strimzi.io/connector-offsets"
RESTART_ANNOTATION, RESTART_TASK_ANNOTATION = "strimzi.io/restart", "strimzi.io/restart-task"
OFFSETS_KEY = "offsets.json"
"""Where in a ConfigMap the operator keeps and looks for positions."""

LOOKED_AT = "cdc.platform/look"
"""An annotation that changes so that the operator looks again: it does so by itself every two minutes only."""

HARMLESS = {
    "snapshot.mode": "configuration_based",
    "snapshot.mode.configuration.based.snapshot.data": "false",
    "snapshot.mode.configuration.based.snapshot.schema": "false",
    "snapshot.mode.configuration.based.snapshot.on.schema.error": "false",
    "snapshot.mode.configuration.based.snapshot.on.data.error": "false",
    "snapshot.mode.configuration.based.start.stream": "false",
}
"""With this a Debezium source does nothing. The operator makes every connector running and only then stops one that is to be
stopped (strimzi-kafka-operator#11754), long enough to begin a snapshot; newer ones do not, but nothing says which one it is."""

POLL_SECONDS = 0.2
LOOK_SECONDS = 2.0
STOP_SECONDS = 120


@dataclass
class KubernetesCluster:
    """One colour. ``cluster`` is its KafkaConnect; ``rendered`` are its connectors' objects by name, as the spec has them.

    ``acts`` is false where nothing may be written: positions cannot be read then.
    """

    name: str
    api: Api
    cluster: str
    rendered: Mapping[str, Body]
    patience: float
    acts: bool = True
    _looked: dict[str, float] = field(default_factory=dict)

    def states(self) -> Mapping[str, State]:
        found = {}
        for body in self.api.find(CONNECTORS, f"strimzi.io/cluster={self.cluster}"):
            name = body["metadata"]["name"]
            found[name] = objects.state_of_object(body)
            if self.acts and objects.behind(body, found[name]):
                self._let_look(name)
        return found

    def config(self, connector: str) -> Config:
        spec = self._get(connector)["spec"]
        own = {"connector.class": spec["class"], "tasks.max": spec["tasksMax"]}
        return {key: _text(value) for key, value in {**spec.get("config", {}), **own}.items()}

    def refusals(self, connector: str, config: Config) -> list[str]:
        """None beforehand: the plugin judges what the operator sends it, which :meth:`create_stopped` and :meth:`put` tell."""
        return []

    def put(self, connector: str, config: Config) -> None:
        """What is in the object and not in the spec goes, whoever has put it there."""
        live = self.api.get(CONNECTORS, connector)
        body = self.rendered[connector]
        if live is None:
            self.api.apply(body)
        else:
            gone = dict.fromkeys(set(live["spec"].get("config", {})) - set(body["spec"]["config"]))
            spec = {**body["spec"], "config": {**body["spec"]["config"], **gone}}
            self.api.patch(CONNECTORS, connector, {"spec": spec})
        self._accepted(connector)
        self.api.disown(CONNECTORS, connector)

    def create_stopped(self, connector: str, config: Config) -> None:
        """Made harmless, stopped, and only then what it is to be: see :data:`HARMLESS`. Gone again where it is refused."""
        body = self.rendered[connector]
        source = "Sink" not in body["spec"]["class"]
        metadata = {**body["metadata"], "annotations": {**body["metadata"].get("annotations", {}), NOT_ARMED: "true"}}
        spec = {**body["spec"], "state": "stopped", "config": {**body["spec"]["config"], **(HARMLESS if source else {})}}
        self.api.apply({**body, "metadata": metadata, "spec": spec})
        try:
            self._accepted(connector)
            self._arm(connector)
        except ConnectError:
            self.api.delete(CONNECTORS, connector)
            raise

    def _arm(self, connector: str) -> Body:
        """The object. One that is marked gets its own configuration once it is stopped, which starts nothing."""
        found = self._get(connector)
        if NOT_ARMED not in objects.annotations(found):
            return found
        live = self._until(
            connector, lambda found: objects.lives(found) == "stopped" or objects.has_failed(found), STOP_SECONDS, "stopped it"
        )
        if objects.has_failed(live):
            raise ConnectError(f"{connector} fails on {self.name}: {state_of(live['status']['connectorStatus']).why}")
        body = self.rendered[connector]
        self.api.apply({**body, "spec": {**body["spec"], "state": "stopped"}})  # takes away what it applied before as well
        return self._accepted(connector)

    def stop(self, connector: str) -> None:
        """A connector that has failed itself is started again first: the operator does not stop one."""
        body = self._get(connector)
        change: Body = {"spec": {"state": "stopped"}}
        if objects.has_failed(body):
            change["metadata"] = {"annotations": {RESTART_ANNOTATION: "true"}}
        self._ask(connector, change, {"spec": {"state": body["spec"].get("state")}})

    def resume(self, connector: str) -> None:
        self._arm(connector)
        self._ask(connector, {"spec": {"state": "running"}}, {"spec": {"state": "stopped"}})
        self.api.disown(CONNECTORS, connector)

    def restart_failed(self, connector: str) -> None:
        """The connector, or else the first of its tasks that has failed: the operator takes one at a time."""
        status = self._get(connector).get("status", {}).get("connectorStatus", {})
        annotation = {RESTART_ANNOTATION: "true"}
        failed = [task["id"] for task in status.get("tasks", ()) if task["state"] == "FAILED"]
        if failed and status["connector"]["state"] != "FAILED":
            annotation = {RESTART_TASK_ANNOTATION: str(failed[0])}
        self.api.patch(CONNECTORS, connector, {"metadata": {"annotations": annotation}})

    def restart(self, connector: str) -> None:
        """The operator takes the annotation away once it has asked Connect."""
        self.api.patch(CONNECTORS, connector, {"metadata": {"annotations": {RESTART_ANNOTATION: "includeTasks"}}})
        self._until(
            connector, lambda body: RESTART_ANNOTATION not in objects.annotations(body), self.patience, "started it again"
        )

    def delete(self, connector: str) -> None:
        self.api.delete(CONNECTORS, connector)

    def offsets(self, connector: str) -> Offsets:
        if not self.acts:
            raise NotRead(f"{connector}: positions are listed by the operator when it is asked to")
        target = f"{connector}-offsets"
        self._manage_offsets(connector, "list", {"listOffsets": {"toConfigMap": {"name": target}}})
        found = self.api.get(CONFIG_MAPS, target)
        if found is None:
            raise ConnectError(f"{connector}: the operator listed positions into ConfigMap {target}, which is not there")
        return tuple(json.loads(found["data"][OFFSETS_KEY])["offsets"])

    def write_offsets(self, connector: str, offsets: Offsets) -> None:
        body = self._arm(connector)
        source = f"{connector}-positions"
        self.api.apply(_config_map(source, body, {OFFSETS_KEY: json.dumps({"offsets": list(offsets)})}))
        self._manage_offsets(connector, "alter", {"alterOffsets": {"fromConfigMap": {"name": source}}})

    def _get(self, connector: str) -> Body:
        body = self.api.get(CONNECTORS, connector)
        if body is None:
            raise ConnectError(f"{self.name}: there is no KafkaConnector {connector}")
        return body

    def _ask(self, connector: str, change: Body, back: Body) -> None:
        """Until the operator has seen it; taken back where it does not."""
        self.api.patch(CONNECTORS, connector, change)
        try:
            self._until(connector, objects.is_observed, self.patience, "looked at it")
        except Silent:
            self.api.patch(CONNECTORS, connector, back)
            raise

    def _manage_offsets(self, connector: str, verb: str, change: Body) -> None:
        """The operator takes the annotation away once it is done, and warns, and tries again and again, where it cannot."""
        asked = {"metadata": {"annotations": {OFFSETS_ANNOTATION: verb}}, "spec": change}
        before = objects.warning(self.api.patch(CONNECTORS, connector, asked), verb)

        def answered(body: Body) -> bool:
            warning = objects.warning(body, verb)
            return OFFSETS_ANNOTATION not in objects.annotations(body) or (warning is not None and warning != before)

        try:
            body = self._until(connector, answered, self.patience, f"done {verb} of its positions")
        except Silent:
            self._withdraw(connector)
            if before is not None:
                raise ConnectError(f"{connector}: {self.name} refuses: {before[1]}") from None
            raise
        if OFFSETS_ANNOTATION in objects.annotations(body):
            self._withdraw(connector)
            warning = objects.warning(body, verb)
            raise ConnectError(f"{connector}: {self.name} refuses: {'' if warning is None else warning[1]}")

    def _withdraw(self, connector: str) -> None:
        self.api.patch(CONNECTORS, connector, {"metadata": {"annotations": {OFFSETS_ANNOTATION: None}}})

    def _accepted(self, connector: str) -> Body:
        """The object, once the operator has taken what was applied."""
        body = self._until(connector, objects.is_observed, self.patience, "looked at it")
        refusal = objects.refusal(body)
        if refusal:
            raise ConnectError(f"{connector}: {self.name} refuses it: {refusal}")
        return body

    def _until(self, connector: str, done: Callable[[Body], bool], seconds: float, what: str) -> Body:
        """The object, once it is so. :class:`Silent` where it does not become so in time."""
        self._looked[connector] = time.monotonic()
        deadline = self._looked[connector] + seconds
        while not done(body := self._get(connector)):
            if time.monotonic() > deadline:
                reason = objects.refusal(body)
                raise Silent(
                    f"the Strimzi operator has not {what} within {seconds:g} s: KafkaConnector {connector}"
                    + (f": {reason}" if reason else "")
                    + "\n      → see that it runs, watches this namespace, and that no object has the annotation "
                    "strimzi.io/pause-reconciliation"
                )
            if objects.is_observed(body):
                self._let_look(connector)
            time.sleep(POLL_SECONDS)
        return body

    def _let_look(self, connector: str) -> None:
        """Not more often than the operator can."""
        now = time.monotonic()
        if now - self._looked.get(connector, 0.0) >= LOOK_SECONDS:
            self._looked[connector] = now
            self.api.patch(CONNECTORS, connector, {"metadata": {"annotations": {LOOKED_AT: str(time.time_ns())}}})


def _config_map(name: str, owner: Body, data: Mapping[str, str]) -> Body:
    """It goes when its connector does."""
    metadata = owner["metadata"]
    reference = {key: owner[key] for key in ("apiVersion", "kind")} | {key: metadata[key] for key in ("name", "uid")}
    labels = metadata.get("labels") or {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": labels, "ownerReferences": [reference]},
        "data": dict(data),
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
