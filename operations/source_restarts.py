"""Starting connectors again once their sources' users have new passwords, which they read when they start and not before.

The password before lies in Vault until that is done: nothing is rotated again while a connector may know no other.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from components.connect.connectors import connectors
from components.connect.names import Colour
from components.core.secrets import PREVIOUS
from components.environment import EnvironmentSpec
from components.vault.names import KV
from components.vault.rotation import Rotated
from operations.audit_log import AuditLog
from operations.connect.cluster import Cluster, ConnectError, State
from operations.live.vault import Vault

Say = Callable[[str], None]
STEADY_SECONDS = 2.0
"""How long a connector is to run before the next one is started again: Connect says a moment longer that it did before."""

_PAUSE_SECONDS = 0.25


def is_held(vault: Vault, item: Rotated) -> bool:
    """Whether a connector may still know the password before. Reads names of keys only."""
    return bool(item.sources) and bool(_held(vault, item)[0])


def restart(
    vault: Vault,
    cluster: Cluster,
    spec: EnvironmentSpec,
    colour: Colour,
    items: Iterable[Rotated],
    patience: float,
    say: Say,
    log: AuditLog | None = None,
) -> None:
    """Start again whatever enters with a password of ``items``, one connector after the other, each once the one before runs;
    then forget the password before. May be repeated. Raises :class:`ConnectError` for the first that does not run: the others
    are left alone, and all enter with what they know."""
    for item in items:
        held, version = _held(vault, item)
        named = {name for logins in item.sources.values() for login in logins for name in login.pipelines}
        with nullcontext() if log is None else log.changing(item.path, after="read anew by connectors"):
            for connector in connectors(spec, colour):
                if connector.role == "source" and connector.pipeline in named:
                    start_again(cluster, connector.name, patience, say)
            body = {"data": dict.fromkeys(held), "options": {"cas": version}}
            vault.ask("PATCH", f"{KV}/data/{item.path}", body)


def _held(vault: Vault, item: Rotated) -> tuple[list[str], int]:
    answer: Mapping[str, Any] | None = vault.read(f"{KV}/subkeys/{item.path}")
    if answer is None:
        return [], 0
    there = answer["data"]["subkeys"] or {}
    held = [f"{key}-{PREVIOUS}" for key in item.sources if f"{key}-{PREVIOUS}" in there]
    return held, int(answer["data"]["metadata"]["version"])


def start_again(cluster: Cluster, connector: str, patience: float, say: Say) -> None:
    """One connector, until it runs; then it has read its secrets anew. One that is stopped, or not there yet, reads them when
    it is started. Raises :class:`ConnectError` where it does not run for ``patience`` seconds."""
    state = cluster.states().get(connector)
    if state is None or state.lives == "stopped":
        return
    cluster.restart(connector)
    deadline = time.monotonic() + patience
    steady_since = None
    while steady_since is None or time.monotonic() - steady_since < STEADY_SECONDS:
        now = time.monotonic()
        found = cluster.states().get(connector)
        steady_since = (steady_since or now) if _is_up(found) else None
        if steady_since is None and now > deadline:
            raise ConnectError(_does_not_run(cluster, connector, found, patience))
        time.sleep(_PAUSE_SECONDS)
    say(f"{connector}: started again")


def _is_up(state: State | None) -> bool:
    return state is not None and state.lives in {"running", "paused"}


def _does_not_run(cluster: Cluster, connector: str, state: State | None, patience: float) -> str:
    why = "it is gone" if state is None else state.why or f"it is {state.lives}"
    return (
        f"{connector}: does not run on {cluster.name} {patience:g} s after it was started again: {why}"
        "\n      → mend it, and run the same again; the others were left alone, and old and new password open the source"
    )
