"""The verbs of ``cdc connect``."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from components.connect.check import addresses
from components.connect.connectors import connectors
from components.connect.names import COLOURS, Colour, cluster_name, other
from components.connect.render_kubernetes import connector_manifest
from components.connect.spec import ConnectSpec
from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations import project
from operations.audit_log import audited
from operations.connect import planning
from operations.connect.cluster import Cluster, ConnectError, State
from operations.connect.kubectl import Kubectl
from operations.connect.kubernetes import KubernetesCluster
from operations.connect.moving import Mover, Say
from operations.connect.planning import Planned, Wanted
from operations.connect.rest import RestCluster
from operations.connect.spec_file import set_active
from operations.connect.switching import Colours, switch
from operations.options import AuditFile, Json, Root, Stack
from operations.terminal import print_json

DIFFERENT = 3
PATIENCE_SECONDS = 20.0
APPLY_SECONDS = 60.0
Given = Mapping[Colour, list[str] | None]

Blue = Annotated[list[str] | None, typer.Option("--blue", metavar="URL", help="REST address of a blue worker (docker).")]
Green = Annotated[list[str] | None, typer.Option("--green", metavar="URL", help="REST address of a green worker (docker).")]
Patience = Annotated[
    float,
    typer.Option(
        "--patience",
        metavar="SECONDS",
        min=1,
        help="How long a connector may take, and is watched; on Kubernetes also how long the operator may take to answer.",
    ),
]


def _declared(root: Path, stack: str) -> tuple[EnvironmentSpec, ConnectSpec]:
    spec = project.load(root, stack)
    if spec.connect is None:
        raise CdcError(f"{stack} declares no connect\n      → add it to the spec; see cdc explain connect")
    return spec, spec.connect


def _clusters(spec: EnvironmentSpec, connect: ConnectSpec, given: Given, patience: float, acts: bool) -> dict[Colour, Cluster]:
    """Both colours. Where they are to be acted on, it is known before anything is done that the user may."""
    if spec.target == "docker":
        return {colour: RestCluster(colour, given[colour] or addresses(connect, spec, colour)) for colour in COLOURS}
    return clusters_on_kubernetes(spec, connect, given, patience, acts)


def clusters_on_kubernetes(
    spec: EnvironmentSpec, connect: ConnectSpec, given: Given, patience: float, acts: bool
) -> dict[Colour, Cluster]:
    """Both colours through their objects, which nobody's address is needed for."""
    if any(given.values()):
        raise CdcError(
            f"{spec.name} runs on Kubernetes, where the operator would undo what is told to a worker"
            "\n      → leave --blue and --green out: connectors are reached through their objects"
        )
    api = Kubectl(spec.kubernetes.namespace, spec.kubernetes.context)
    missing = api.missing_rights() if acts else []
    if missing:
        raise ConnectError(
            f"this user may not {', '.join(missing)} in namespace {spec.kubernetes.namespace}; nothing was changed"
            "\n      → let it, or run this as somebody who may"
        )
    return {colour: _on_kubernetes(api, spec, connect, colour, patience, acts) for colour in COLOURS}


def _on_kubernetes(
    api: Kubectl, spec: EnvironmentSpec, connect: ConnectSpec, colour: Colour, patience: float, acts: bool
) -> Cluster:
    manifests = [connector_manifest(spec, connect, connector, colour) for connector in connectors(spec, colour)]
    rendered = {manifest.name: dict(manifest.body) for manifest in manifests}
    return KubernetesCluster(colour, api, cluster_name(spec.kafka, colour), rendered, patience, acts)


def plan_command(stack: Stack, blue: Blue = None, green: Green = None, as_json: Json = False, root: Root = None) -> None:
    """What the active colour has against what the spec says.

    Exit codes: 0 the same, 1 Connect (or the API server) does not answer, 2 bad input, 3 they differ.
    """
    spec, connect = _declared(project.find_root(root), stack)
    planned = _planned(spec, connect, _clusters(spec, connect, {"blue": blue, "green": green}, APPLY_SECONDS, acts=False))
    _show(planned, as_json)
    raise typer.Exit(0 if all(one.action == "keep" for one in planned) else DIFFERENT)


def wanted_lives(spec: EnvironmentSpec) -> Wanted:
    """A standby's connectors are stopped until it has taken over, and then run."""
    return None if spec.mirror_maker is None else "stopped" if spec.stands_by else "running"


def apply_command(
    stack: Stack,
    blue: Blue = None,
    green: Green = None,
    patience: Patience = APPLY_SECONDS,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Make and change the connectors of the active colour, once their plugins have accepted all of them; on Kubernetes, where
    the operator asks the plugins, one after the other until one is refused.

    Failed ones are started again; nothing is removed. Those of a standby are made stopped, and started once it has taken over.
    Exit codes: 0 all run (or are stopped), 1 one is refused or does not run, 2 bad input.
    """
    folder = project.find_root(root)
    spec, connect = _declared(folder, stack)
    clusters = _clusters(spec, connect, {"blue": blue, "green": green}, patience, acts=True)
    cluster, planned = clusters[connect.active], _planned(spec, connect, clusters)
    say = _teller(as_json)
    wanted = connectors(spec, connect.active)
    moved = [f"{one.name}: {one.why}" for one in planned if one.action == "refused"]
    refused = moved or planning.refusals(cluster, wanted, planned)
    if refused:
        raise ConnectError(f"{len(refused)} refused, nothing was changed:\n  " + "\n  ".join(refused))
    with audited(folder, spec.name, "connect apply", audit_log) as log:
        planning.apply(cluster, wanted, planned, say, wanted_lives(spec), log)
        planning.settle(cluster, [one.name for one in wanted], connect.max_restarts, patience, say, wanted_lives(spec))
    _show(planned, as_json)


def switch_command(
    stack: Stack,
    to: Annotated[str | None, typer.Option("--to", metavar="COLOUR", help="Default: the colour that is not active.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only what would be done is shown.")] = False,
    blue: Blue = None,
    green: Green = None,
    patience: Patience = PATIENCE_SECONDS,
    audit_log: AuditFile = None,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Move every connector, with its positions, to the other colour, and change connect.active in the stack file.

    A connector is stopped, its positions are copied, it is started and watched on the other colour; once all run there they are
    removed from the old one. Where one fails, all go back. An interrupted run is finished by another one with the same --to.

    Exit codes: 0 done, or nothing to do; 1 failed, what ran before runs again; 2 bad input; 3 without --yes: there is something
    to do.
    """
    folder = project.find_root(root)
    spec, connect = _declared(folder, stack)
    if spec.stands_by:
        raise CdcError(f"{stack} stands by, and none of its connectors runs\n      → switch the environment that it mirrors")
    new = _colour(to, connect)
    old = other(new)
    found = _clusters(spec, connect, {"blue": blue, "green": green}, patience, acts=yes)
    clusters = found[old], found[new]
    colours = Colours(connectors(spec, old), connectors(spec, new))
    if not colours.arriving:
        raise CdcError(f"{stack} has no connector to move\n      → declare a pipeline from MySQL or MariaDB")
    if not yes:
        _show_switch(Mover(*clusters, say=_silent, patience=patience), colours, connect, new, as_json)
    say = _teller(as_json)
    with audited(folder, spec.name, "connect switch", audit_log) as log:
        with log.changing("connectors", {"on": old}, {"on": new, "connectors": [one.name for one in colours.arriving]}):
            switch(*clusters, colours, say, patience)
        path = set_active(folder, stack, new)
    say(f"{path.name}: connect.active is {new}; commit it" + (", and apply it" if spec.target == "kubernetes" else ""))
    if as_json:
        print_json({"active": new, "connectors": [connector.name for connector in colours.arriving]})


def _colour(to: str | None, connect: ConnectSpec) -> Colour:
    if to is None:
        return other(connect.active)
    if to not in COLOURS:
        raise CdcError(f"{to!r} is no colour\n      → use one of {', '.join(COLOURS)}")
    return to


def _planned(spec: EnvironmentSpec, connect: ConnectSpec, clusters: Mapping[Colour, Cluster]) -> list[Planned]:
    there = clusters[other(connect.active)].states()
    return plan_connectors(spec, connect, planning.observe(clusters[connect.active]), there)


def plan_connectors(
    spec: EnvironmentSpec, connect: ConnectSpec, live: planning.Live, there: Mapping[str, State]
) -> list[Planned]:
    """What is to be done on the active colour, which has ``live``, while the other one has ``there``. Pure."""
    active, standby = connect.active, other(connect.active)
    names = zip(connectors(spec, standby), connectors(spec, active), strict=True)
    elsewhere = {here.name: standby for away, here in names if away.name in there and not _left(spec, there[away.name])}
    return planning.plan(connectors(spec, active), live, elsewhere, wanted_lives(spec))


def _left(spec: EnvironmentSpec, state: State) -> bool:
    """Whether a connector is what a standby had on the colour that its source has left since: it has never run there."""
    return wanted_lives(spec) is not None and state.lives == "stopped"


def _show(planned: list[Planned], as_json: bool) -> None:
    if as_json:
        print_json({"connectors": [asdict(one) for one in planned]})
        return
    for one in planned:
        detail = ", ".join(one.keys) or one.why
        typer.echo(f"{one.action:<10} {one.name}{f'  ({detail})' if detail else ''}")


def _show_switch(mover: Mover, colours: Colours, connect: ConnectSpec, new: Colour, as_json: bool) -> None:
    """What would be done, and whether there is anything."""
    steps = mover.steps(colours.forth())
    done = all(step == "none" for step in steps.values()) and connect.active == new
    if as_json:
        print_json({"to": new, "next": steps, "done": done})
    else:
        for name, step in steps.items():
            typer.echo(f"{_NEXT[step].format(old=other(new), new=new):<44} {name}")
        typer.echo("nothing to do" if done else f"connect.active: {connect.active} → {new}; --yes does it")
    raise typer.Exit(0 if done else DIFFERENT)


_NEXT = {
    "create": "moves from {old} to {new}",
    "stop": "moves from {old} to {new}, made there already",
    "copy": "stopped on {old}: positions go to {new}",
    "compare": "stopped on both: goes on from the further one",
    "start": "stopped on {old}: starts on {new}",
    "verify": "runs on {new}: removed from {old}",
    "none": "runs on {new} already",
    "absent": "is on neither; cdc connect apply makes it",
}


def _teller(as_json: bool) -> Say:
    """Progress, on standard error where standard output is for a machine."""

    def say(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    return say


def _silent(_line: str) -> None:
    """Tells nobody."""
