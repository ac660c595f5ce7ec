"""A Connect cluster through its REST interface."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from operations.connect.cluster import Config, ConnectError, Lives, Offsets, State

SECONDS = 90
"""Connect itself gives up on a request after as long."""

REBALANCE_SECONDS = 60
_PAUSE_SECONDS = 0.5

_LIVES: Mapping[str, Lives] = {"RUNNING": "running", "PAUSED": "paused", "STOPPED": "stopped", "FAILED": "failed"}
_LONGEST_REASON = 500
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RestCluster:
    """``addresses`` are those of its workers: any of them answers for all, so the next is asked where one does not."""

    def __init__(self, name: str, addresses: Sequence[str], opener: urllib.request.OpenerDirector = _NO_PROXY) -> None:
        """``opener`` brings what a server between may ask for."""
        self.name = name
        self._addresses = list(addresses)
        self._opener = opener

    def states(self) -> Mapping[str, State]:
        found = self._ask("GET", "/connectors?expand=status")
        return {name: state_of(part["status"]) for name, part in found.items()}

    def config(self, connector: str) -> Config:
        config = self._ask("GET", f"/connectors/{quote(connector)}/config")
        return {key: value for key, value in config.items() if key != "name"}

    def refusals(self, connector: str, config: Config) -> list[str]:
        plugin = quote(config["connector.class"])
        known = {entry["class"] for entry in self._ask("GET", "/connector-plugins")}
        if config["connector.class"] not in known:
            return [f"connector.class: {self.name} has no plugin {config['connector.class']}"]
        answer = self._ask("PUT", f"/connector-plugins/{plugin}/config/validate", {**config, "name": connector})
        values = [entry["value"] for entry in answer["configs"]]
        return [f"{value['name']}: {error}" for value in values for error in value["errors"]]

    def put(self, connector: str, config: Config) -> None:
        self._ask("PUT", f"/connectors/{quote(connector)}/config", dict(config))

    def create_stopped(self, connector: str, config: Config) -> None:
        self._ask("POST", "/connectors", {"name": connector, "config": dict(config), "initial_state": "STOPPED"})

    def stop(self, connector: str) -> None:
        self._ask("PUT", f"/connectors/{quote(connector)}/stop")

    def resume(self, connector: str) -> None:
        self._ask("PUT", f"/connectors/{quote(connector)}/resume")

    def restart_failed(self, connector: str) -> None:
        self._ask("POST", f"/connectors/{quote(connector)}/restart?includeTasks=true&onlyFailed=true")

    def restart(self, connector: str) -> None:
        self._ask("POST", f"/connectors/{quote(connector)}/restart?includeTasks=true&onlyFailed=false")

    def delete(self, connector: str) -> None:
        self._ask("DELETE", f"/connectors/{quote(connector)}")

    def offsets(self, connector: str) -> Offsets:
        return tuple(self._ask("GET", f"/connectors/{quote(connector)}/offsets")["offsets"])

    def write_offsets(self, connector: str, offsets: Offsets) -> None:
        self._ask("PATCH", f"/connectors/{quote(connector)}/offsets", {"offsets": list(offsets)})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON, ``None`` where it has none. A worker that refuses the connection is not asked again before the
        others."""
        deadline = time.monotonic() + REBALANCE_SECONDS
        failure: object = "none is known"
        for _ in range(len(self._addresses)):
            try:
                return self._until_settled(self._addresses[0] + path, method, body, deadline)
            except urllib.error.HTTPError as error:
                raise ConnectError(f"{self.name}: {method} {path} was refused: {_reason(error)}") from None
            except (OSError, http.client.HTTPException) as error:
                failure = getattr(error, "reason", error)
                self._addresses.append(self._addresses.pop(0))
        raise ConnectError(
            f"{self.name}: no worker answers at {', '.join(self._addresses)}: {failure}"
            f"\n      → start it, or say where it is with --{self.name} URL"
        )

    def _until_settled(self, url: str, method: str, body: Any, deadline: float) -> Any:
        """Connect answers 409 while its workers agree on who does what, which passes, and to making what is there already."""
        while True:
            try:
                return _request(self._opener, url, method, body)
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.CONFLICT or time.monotonic() > deadline or url.endswith("/connectors"):
                    raise
                error.close()
            time.sleep(_PAUSE_SECONDS)


def _request(opener: urllib.request.OpenerDirector, url: str, method: str, body: Any) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - ours
    with opener.open(request, timeout=SECONDS) as answer:
        content = answer.read()
    return json.loads(content) if content else None


def _reason(error: urllib.error.HTTPError) -> str:
    """What Connect says; a configuration that it repeats is not shown."""
    try:
        message = str(json.loads(error.read())["message"])
    except (ValueError, KeyError, TypeError):
        message = HTTPStatus(error.code).phrase
    return f"{error.code} {message[:_LONGEST_REASON]}"


def state_of(status: Mapping[str, Any]) -> State:
    """Of what Connect says of a connector's status: it lives as its worst part does; one without tasks is still starting,
    unless it was stopped."""
    parts = [status["connector"], *status["tasks"]]
    for part in parts:
        if part["state"] == "FAILED":
            return State("failed", len(status["tasks"]), str(part.get("trace", "")).partition("\n\tat ")[0][:_LONGEST_REASON])
    lives = _LIVES.get(status["connector"]["state"], "starting")
    if lives == "stopped":
        return State("stopped" if not status["tasks"] else "starting", len(status["tasks"]))
    if lives == "running" and (not status["tasks"] or any(task["state"] != "RUNNING" for task in status["tasks"])):
        return State("starting", len(status["tasks"]))
    return State(lives, len(status["tasks"]))
