"""What a ``KafkaConnector`` object says of its connector, as the operator saw it last. Pure."""

from collections.abc import Mapping
from typing import Any

from operations.connect.cluster import State
from operations.connect.kubectl import Body
from operations.connect.rest import state_of

NOT_ARMED = "cdc.platform/not-armed"
"""Marks an object that has a configuration with which a source does nothing yet."""

_WARNINGS = {"list": "ListOffsets", "alter": "AlterOffsets"}


def state_of_object(body: Body) -> State:
    """What does nothing yet counts as stopped, whatever it does."""
    if NOT_ARMED in annotations(body):
        return State("stopped")
    status = body.get("status", {}).get("connectorStatus")
    if status:
        return state_of(status)
    why = refusal(body)
    return State("failed", 0, why) if why else State("starting")


def behind(body: Body, state: State) -> bool:
    """Whether there is more to come than the operator has seen."""
    asked = body["spec"].get("state", "running")
    return not is_observed(body) or state.lives == "starting" or state.lives not in {asked, "failed"}


def lives(body: Body) -> str:
    """Whether it runs, in the words of :class:`State`."""
    status = body.get("status", {}).get("connectorStatus")
    return state_of(status).lives if status else "starting"


def has_failed(body: Body) -> bool:
    """The connector itself, which is more than one of its tasks: the operator then leaves it alone."""
    status = body.get("status", {}).get("connectorStatus") or {}
    return bool(status.get("connector", {}).get("state") == "FAILED")


def is_observed(body: Body) -> bool:
    """Whether the operator has seen what the object says now."""
    return bool(body.get("status", {}).get("observedGeneration") == body["metadata"]["generation"])


def annotations(body: Body) -> Mapping[str, str]:
    """The object's own; none of them may be there."""
    found: Mapping[str, str] = body["metadata"].get("annotations") or {}
    return found


def _conditions(body: Body) -> list[Mapping[str, Any]]:
    return body.get("status", {}).get("conditions") or []


def refusal(body: Body) -> str:
    """Why the operator could not do what the object says; empty where it did."""
    for condition in _conditions(body):
        if condition["type"] == "NotReady" and condition["status"] == "True":
            return str(condition.get("message") or condition.get("reason", "it does not say why"))
    return ""


def warning(body: Body, verb: str) -> tuple[str, str] | None:
    """When it warned that positions could not be listed or altered, and why."""
    for condition in _conditions(body):
        if condition["type"] == "Warning" and condition.get("reason") == _WARNINGS[verb]:
            return str(condition.get("lastTransitionTime", "")), str(condition.get("message", ""))
    return None
