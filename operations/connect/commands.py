"""The verbs of ``cdc connect``."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from components.connect.check import addresses
from components.connect.connectors import connectors
from components.connect.names import COLOURS, Colour, other
from components.connect.spec import ConnectSpec
from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations import project
from operations.connect import planning
from operations.connect.cluster import Cluster, ConnectError
from operations.connect.moving import Mover, Say
from operations.connect.planning import Planned
from operations.connect.rest import RestCluster
from operations.connect.spec_file import set_active
from operations.connect.switching import Colours, switch
from operations.options import Json, Root, Stack
from operations.terminal import print_json

DIFFERENT = 3
PATIENCE_SECONDS = 20.0

Blue = Annotated[list[str] | None, typer.Option("--blue", metavar="URL", help="REST address of a blue worker.")]
Green = Annotated[list[str] | None, typer.Option("--green", metavar="URL", help="REST address of a green worker.")]
Patience = Annotated[
    float,
    typer.Option("--patience", metavar="SECONDS", min=1, help="How long a connector may take, and how long it is watched."),
]


def _declared(root: Path, stack: str) -> tuple[EnvironmentSpec, ConnectSpec]:
    spec = project.load(root, stack)
    if spec.connect is None:
        raise CdcError(f"{stack} declares no connect\n      → add it to the spec; see cdc explain connect")
    return spec, spec.connect


def _cluster(spec: EnvironmentSpec, connect: ConnectSpec, colour: Colour, given: list[str] | None) -> Cluster:
    if spec.target == "kubernetes" and not given:
        raise CdcError(
            f"{spec.name} runs on Kubernetes, where the operator owns the connectors"
            "\n      → apply the rendered KafkaConnector objects"
        )
    return RestCluster(colour, given or addresses(connect, spec, colour))


def _only_docker(spec: EnvironmentSpec) -> None:
    if spec.target != "docker":
        raise CdcError(
            f"{spec.name} runs on Kubernetes, where connectors are KafkaConnector objects that the operator applies"
            "\n      → apply the rendered tree; a switch there is described in docs/runbooks/connect-switch.md"
        )


def plan_command(stack: Stack, blue: Blue = None, green: Green = None, as_json: Json = False, root: Root = None) -> None:
    """What the active colour has against what the spec says.

    Exit codes: 0 the same, 1 Connect does not answer, 2 bad input, 3 they differ.
    """
    spec, connect = _declared(project.find_root(root), stack)
    _only_docker(spec)
    _, planned = _planned(spec, connect, blue, green)
    _show(planned, as_json)
    raise typer.Exit(0 if all(one.action == "keep" for one in planned) else DIFFERENT)


def apply_command(
    stack: Stack,
    blue: Blue = None,
    green: Green = None,
    patience: Patience = 60.0,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Make and change the connectors of the active colour, once their plugins have accepted all of them.

    Failed ones are started again; nothing is removed. Exit codes: 0 all run, 1 one is refused or does not run, 2 bad input.
    """
    spec, connect = _declared(project.find_root(root), stack)
    _only_docker(spec)
    cluster, planned = _planned(spec, connect, blue, green)
    say = _teller(as_json)
    wanted = connectors(spec, connect.active)
    moved = [f"{one.name}: {one.why}" for one in planned if one.action == "refused"]
    refused = moved or planning.refusals(cluster, wanted, planned)
    if refused:
        raise ConnectError(f"{len(refused)} refused, nothing was changed:\n  " + "\n  ".join(refused))
    planning.apply(cluster, wanted, planned, say)
    planning.settle(cluster, [one.name for one in wanted], connect.max_restarts, patience, say)
    _show(planned, as_json)


def switch_command(
    stack: Stack,
    to: Annotated[str | None, typer.Option("--to", metavar="COLOUR", help="Default: the colour that is not active.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only what would be done is shown.")] = False,
    blue: Blue = None,
    green: Green = None,
    patience: Patience = PATIENCE_SECONDS,
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
    _only_docker(spec)
    new = _colour(to, connect)
    old = other(new)
    given = {"blue": blue, "green": green}
    clusters = _cluster(spec, connect, old, given[old]), _cluster(spec, connect, new, given[new])
    colours = Colours(connectors(spec, old), connectors(spec, new))
    if not colours.arriving:
        raise CdcError(f"{stack} has no connector to move\n      → declare a pipeline from MySQL or MariaDB")
    if not yes:
        _show_switch(Mover(*clusters, say=_silent, patience=patience), colours, connect, new, as_json)
    say = _teller(as_json)
    switch(*clusters, colours, say, patience)
    path = set_active(folder, stack, new)
    say(f"{path.name}: connect.active is {new}; commit it")
    if as_json:
        print_json({"active": new, "connectors": [connector.name for connector in colours.arriving]})


def _colour(to: str | None, connect: ConnectSpec) -> Colour:
    if to is None:
        return other(connect.active)
    if to not in COLOURS:
        raise CdcError(f"{to!r} is no colour\n      → use one of {', '.join(COLOURS)}")
    return to


def _planned(
    spec: EnvironmentSpec, connect: ConnectSpec, blue: list[str] | None, green: list[str] | None
) -> tuple[Cluster, list[Planned]]:
    given = {"blue": blue, "green": green}
    active, standby = connect.active, other(connect.active)
    cluster = _cluster(spec, connect, active, given[active])
    there = _cluster(spec, connect, standby, given[standby]).states()
    names = zip(connectors(spec, standby), connectors(spec, active), strict=True)
    elsewhere = {here.name: standby for away, here in names if away.name in there}
    return cluster, planning.plan(connectors(spec, active), planning.observe(cluster), elsewhere)


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
