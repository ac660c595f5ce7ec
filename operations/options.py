"""Options and arguments that several verbs share."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer


def _inherited(ctx: typer.Context, value: Path | None) -> Path | None:
    """``cdc --root DIR verb`` and ``cdc verb --root DIR`` mean the same; the nearer one wins."""
    parent = ctx.parent
    while value is None and parent is not None:
        value, parent = parent.params.get("root"), parent.parent
    return value


def _stacks(ctx: typer.Context, incomplete: str) -> list[str]:
    from components.loading import stacks
    from operations.project import find_root

    root = find_root(_inherited(ctx, ctx.params.get("root")))
    return [name for name in stacks(root) if name.startswith(incomplete)]


def _fields(incomplete: str) -> list[str]:
    from operations.fields import all_fields

    return [path for path in all_fields() if path.startswith(incomplete)]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-01-31") from None


Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        callback=_inherited,
        help="Project folder. Default: the nearest one, from here upwards, that holds Pulumi.yaml.",
    ),
]
Stack = Annotated[
    str, typer.Argument(metavar="STACK", help="The stack: prod stands for Pulumi.prod.yaml.", autocompletion=_stacks)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
AuditFile = Annotated[
    Path | None,
    typer.Option(
        "--audit-log",
        metavar="FILE",
        envvar="CDC_AUDIT_LOG",
        show_envvar=False,
        help="Where changes are logged. Default: $CDC_AUDIT_LOG, else .cdc-audit/<stack>.jsonl in the project.",
    ),
]
Today = Annotated[
    date | None,
    typer.Option("--today", metavar="DATE", parser=_day, help="Judge waivers as of this day (2026-01-31). Default: today."),
]


def stack_argument(**more: Any) -> Any:
    """An optional stack argument."""
    return typer.Argument(metavar="STACK", autocompletion=_stacks, show_default=False, **more)


def field_argument(**more: Any) -> Any:
    """A spec path, completed from the known ones."""
    return typer.Argument(metavar="PATH", autocompletion=_fields, show_default=False, **more)
