"""What the active cluster has against what the spec says, and how it gets there. Planning is pure."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

from components.connect.connectors import Connector
from operations.audit_log import AuditLog
from operations.connect.cluster import Cluster, Config, ConnectError, State
from operations.connect.moving import Say

Action = Literal["create", "change", "restart", "stop", "start", "keep", "undeclared", "refused"]
Wanted = Literal["running", "stopped"] | None
"""What connectors are to do; ``None`` leaves those that somebody has stopped or paused as they are."""

_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be done about one connector. ``keys`` are those of its configuration that differ; ``why`` is for a person."""

    name: str
    action: Action
    keys: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """What a cluster has: states and configurations by name."""

    states: Mapping[str, State]
    configs: Mapping[str, Config]


def observe(cluster: Cluster) -> Live:
    """Everything of one cluster."""
    states = cluster.states()
    return Live(states, {name: cluster.config(name) for name in states})


def plan(wanted: Sequence[Connector], live: Live, elsewhere: Mapping[str, str], lives: Wanted = None) -> list[Planned]:
    """By name, then what the spec does not have. ``elsewhere`` are connectors of the other colour, each with the name it has on
    this one: a connector that runs there is not made here as well."""
    found = [_planned(connector, live, elsewhere, lives) for connector in wanted]
    names = {connector.name for connector in wanted}
    found += [Planned(name, "undeclared", why="is not in the spec") for name in sorted(set(live.states) - names)]
    return found


def _planned(connector: Connector, live: Live, elsewhere: Mapping[str, str], lives: Wanted) -> Planned:
    name = connector.name
    if name in elsewhere:
        return Planned(name, "refused", why=f"{elsewhere[name]} has it: a switch moves it, or was interrupted")
    if name not in live.states:
        return Planned(name, "create")
    keys = tuple(sorted(key for key, _ in set(connector.config.items()) ^ set(live.configs[name].items())))
    if keys:
        return Planned(name, "change", tuple(dict.fromkeys(keys)))
    state = live.states[name]
    turn = _turn(state, lives)
    if turn is not None:
        return Planned(name, turn, why=f"is {state.lives}")
    return Planned(name, "restart", why=state.why) if state.lives == "failed" else Planned(name, "keep")


def _turn(state: State | None, lives: Wanted) -> Literal["stop", "start"] | None:
    """What makes a connector do what it is to do; one that starts or has failed is started already."""
    if state is None or lives is None:
        return None
    if lives == "stopped":
        return None if state.lives == "stopped" else "stop"
    return "start" if state.lives in {"stopped", "paused"} else None


def refusals(cluster: Cluster, wanted: Sequence[Connector], planned: Sequence[Planned]) -> list[str]:
    """Everything that the plugins find wrong with what would be made or changed."""
    touched = {one.name for one in planned if one.action in {"create", "change"}}
    return [
        f"{connector.name}: {refusal}"
        for connector in wanted
        if connector.name in touched
        for refusal in cluster.refusals(connector.name, connector.config)
    ]


def apply(
    cluster: Cluster,
    wanted: Sequence[Connector],
    planned: Sequence[Planned],
    say: Say,
    lives: Wanted = None,
    log: AuditLog | None = None,
) -> None:
    """Make and change what is to be; nothing is ever removed. What is to be stopped is made so, and never starts. ``log`` is
    told of each."""
    by_name = {connector.name: connector for connector in wanted}
    for one in planned:
        if one.action == "create":
            make = cluster.create_stopped if lives == "stopped" else cluster.put
            with _told(log, one.name, None, by_name[one.name].config):
                make(one.name, by_name[one.name].config)
            say(f"{one.name}: made{', stopped' if lives == 'stopped' else ''}")
        elif one.action == "change":
            before = None if log is None else cluster.config(one.name)
            with _told(log, one.name, before, by_name[one.name].config):
                cluster.put(one.name, by_name[one.name].config)
            say(f"{one.name}: changed")
    states = cluster.states() if lives is not None else {}
    for one in planned:
        turn = None if one.action == "undeclared" else _turn(states.get(one.name), lives)
        if turn is not None:
            with _told(log, one.name, states[one.name].lives, lives):
                (cluster.stop if turn == "stop" else cluster.resume)(one.name)
            say(f"{one.name}: {'stopped' if turn == 'stop' else 'started'}")


def _told(log: AuditLog | None, name: str, before: object, after: object) -> AbstractContextManager[None]:
    return nullcontext() if log is None else log.changing(f"connector {name}", before, after)


def settle(cluster: Cluster, names: Sequence[str], most_restarts: int, patience: float, say: Say, lives: Wanted = None) -> None:
    """Wait until all do what they are to do. What has failed is started again, each at most so often, with growing pauses."""
    restarts = dict.fromkeys(names, 0)
    quiet_until = dict.fromkeys(names, 0.0)
    deadline = time.monotonic() + patience
    while waiting := [name for name in names if not is_settled(cluster.states().get(name), lives)]:
        now = time.monotonic()
        states = cluster.states()
        for name in waiting:
            state = states.get(name)
            if state is not None and state.lives == "failed" and lives != "stopped" and now >= quiet_until[name]:
                if restarts[name] >= most_restarts:
                    raise ConnectError(
                        f"{name} failed again after {most_restarts} restarts: {state.why}\n      → mend it, and apply again"
                    )
                cluster.restart_failed(name)
                restarts[name] += 1
                quiet_until[name] = now + min(2 ** restarts[name], _LONGEST_PAUSE_SECONDS)
                deadline = max(deadline, quiet_until[name] + patience)
                say(f"{name}: started again, {restarts[name]} of {most_restarts}: {state.why}")
        if now > deadline:
            raise ConnectError(f"not {lives or 'running'} within {patience:g} s: {', '.join(waiting)}")
        time.sleep(_PAUSE_SECONDS)


def is_settled(state: State | None, lives: Wanted) -> bool:
    """Whether a connector does what it is to do. Where nothing is said, paused and stopped is what somebody wanted."""
    if state is None or lives is not None:
        return state is not None and state.lives == lives
    return state.lives not in {"starting", "failed"}
