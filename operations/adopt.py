"""``cdc adopt``: writes the spec of a cluster that is there, so that its plan changes nothing."""

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, get_args

import typer

from components.core.context import Tier
from components.core.errors import CdcError
from operations import project
from operations.adopting import Adopted, adopt
from operations.connect.rest import RestCluster
from operations.errors import cannot_write
from operations.live.kafka_admin import KafkaAdmin
from operations.live.observe import Sources, observe
from operations.live.observed import Observed
from operations.live.reach import (
    KafkaConfig,
    KafkaPassword,
    RegistryCa,
    RegistryPassword,
    RegistryUrl,
    RegistryUser,
    kafka_settings,
)
from operations.live.registry import Access, Registry
from operations.options import Json, Root
from operations.terminal import FAINT, GOOD, STRONG, console, count, print_json, show, styled

EPILOG = """Nothing of the cluster is changed. What the spec cannot say is listed at the end, and left as it is. Topics named
{tenant}_{application}_{entity} are grouped into tenants; a Debezium connector whose topics and users are all there by a
pipeline's names, and are as a pipeline would have them, becomes a pipeline.

\b
Examples:
  cdc adopt legacy --bootstrap kafka:9092
  cdc adopt legacy --kafka-config admin.properties \\
    --registry https://registry:8081 --connect http://connect:8083
  cdc adopt legacy --bootstrap kafka:9092 --stdout | less
  cdc plan legacy --kafka-config admin.properties          changes nothing

\b
Exit codes:
  0  written
  2  bad input: a cluster that does not answer, a file that is there already"""


def command(
    stack: Annotated[str, typer.Argument(metavar="STACK", help="Name of the new stack.", show_default=False)],
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", metavar="HOST:PORT", help="Kafka without credentials, for --kafka-config.")
    ] = None,
    kafka: KafkaConfig = None,
    kafka_password: KafkaPassword = None,
    registry: RegistryUrl = None,
    registry_user: RegistryUser = None,
    registry_password: RegistryPassword = None,
    registry_ca: RegistryCa = None,
    connect: Annotated[list[str] | None, typer.Option("--connect", metavar="URL", help="REST address of a worker.")] = None,
    tier: Annotated[str, typer.Option("--tier", help="How much it matters: development, staging, production.")] = "production",
    to_stdout: Annotated[bool, typer.Option("--stdout", help="Print the spec; write nothing.")] = False,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Write a spec that changes nothing of an existing cluster."""
    folder = project.find_root(root)
    stack = project.stack_name(stack)
    path = folder / f"Pulumi.{stack}.yaml"
    if tier not in get_args(Tier):
        raise CdcError(f"--tier {tier}: is no tier\n      → write one of {', '.join(get_args(Tier))}")
    if not to_stdout and os.path.lexists(path):
        raise CdcError(f"{path.name}: is there already\n      → name another stack, or look at it with --stdout")
    if (bootstrap is None) == (kafka is None):
        raise CdcError("how to reach Kafka is not known\n      → give one of --bootstrap HOST:PORT and --kafka-config FILE")
    settings = {"bootstrap.servers": bootstrap} if kafka is None else kafka_settings(kafka, kafka_password)
    access = None if registry is None else Access(registry, registry_user, registry_password, registry_ca)
    found = adopt(stack, tier, _observed(stack, {k: str(v) for k, v in settings.items()}, access, connect))
    if to_stdout:
        typer.echo(found.text, nl=False)
    else:
        _write(path, found.text)
    if as_json and not to_stdout:
        print_json({"stack": stack, "file": path.name, **_counts(found), "left": [asdict(one) for one in found.left]})
    elif not to_stdout:
        _print(found, path.name)


def _observed(name: str, settings: dict[str, str], access: Access | None, connect: list[str] | None) -> Observed:
    with ExitStack() as stack:
        registry = None if access is None else stack.enter_context(Registry(access))
        workers = {"connect": RestCluster("connect", connect)} if connect else None
        seen = observe(Sources(KafkaAdmin(name, settings), settings, registry, workers))
    if (access is not None and seen.registry is None) or len(seen.connect or {}) < len(workers or {}):
        told = [f"{gap.what}: {gap.why}\n      → {gap.remedy}" for gap in seen.gaps]
        raise CdcError("\n".join([f"{name}: not everything that was named could be looked at; nothing was written", *told]))
    return seen


def _write(path: Path, text: str) -> None:
    """A file that came to be there in the meantime is not overwritten."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CdcError(f"{path.name}: is there already\n      → name another stack") from None
    except OSError as error:
        raise cannot_write(path, error) from None


def _counts(found: Adopted) -> dict[str, int]:
    spec = found.spec
    return {
        "topics": len(spec.kafka_state.topics),
        "users": len(spec.kafka_state.users),
        "tenants": len(spec.tenants),
        "pipelines": len(spec.pipelines),
    }


def _print(found: Adopted, file: str) -> None:
    out = console()
    counts = ", ".join(count(amount, word.removesuffix("s")) for word, amount in _counts(found).items())
    out.print(styled((found.spec.name, STRONG), f" → {file}  ", (counts, GOOD)))
    if found.left:
        kinds = Counter(one.kind for one in found.left)
        told = ", ".join(f"{amount:,} × {kind}" for kind, amount in sorted(kinds.items()))
        out.print(styled("\n", ("Left as it is", STRONG), f"  {told}"))
        for one in found.left:
            show(out, styled(f"  {one.kind} {one.name}", (f"  {one.why}", FAINT)))
    out.print(
        styled(
            "\n", (f"next: cdc plan {found.spec.name} changes nothing; cdc check {found.spec.name} says what to mend", FAINT)
        )
    )
