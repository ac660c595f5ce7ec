"""The verbs of ``cdc backup``."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from components.backup.plan import plan_of
from components.core.errors import CdcError
from components.core.quantities import format_bytes
from operations import project
from operations.backup.access import Reach, opened
from operations.backup.contents import observe
from operations.backup.create import Wanted, create, drop_unfinished, is_id
from operations.backup.errors import BackupError
from operations.backup.figures import tell_whoever_watches
from operations.backup.manifest import Manifest, proven_manifest
from operations.backup.options import (
    Backup,
    KeyFile,
    Place,
    Plan,
    Target,
    chosen,
    create_key,
    declared_in,
    key_of,
    kind_of,
    manifests,
    planned,
    read_or_none,
    store_of,
)
from operations.backup.restore import Restore
from operations.backup.retention import prune
from operations.backup.verify import is_whole, verify
from operations.bundles import bundled
from operations.options import AuditFile, Json, Root, Stack
from operations.terminal import BAD, FAINT, GOOD, STRONG, WARN, console, count, print_json, styled

NOT_WHOLE = 3
_TELL_SECONDS = 0.2


@bundled
def create_command(
    stack: Stack,
    *,
    reach: Reach,
    kind: Annotated[str, typer.Option("--kind", help="daily and weekly ones outlive each other; manual ones stay.")] = "manual",
    key_file: KeyFile = None,
    plan: Plan = None,
    place: Target,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Make a backup of the running environment, then delete those that it outlives. Nothing is written to the cluster.

    What an interrupted run has left is taken away first. Exit codes: 0 made, 2 bad input or no answer; nothing was made.
    """
    known = planned(root, stack, plan)
    declared = known.backup
    if kind not in {"daily", "weekly", "manual"}:
        raise CdcError(f"--kind: {kind!r} is none\n      → write daily, weekly or manual")
    store = store_of(known, declared, place)
    wanted = Wanted(known.name, kind_of(kind), known.topics, create_key(declared, key_file))
    with opened(known, reach) as (sources, settings), store.locked():
        left = drop_unfinished(store)
        tell = progress("read")
        made = create(wanted, store, sources.kafka, settings, lambda: observe(known, sources, settings), tell)
        tell(made.records, made.records)
        gone = prune(store, manifests(store), {"daily": declared.keep.daily, "weekly": declared.keep.weekly})
        tell_whoever_watches(known, place.folder, manifests(store))
    if as_json:
        print_json({**_summary(made, True), "unfinishedRemoved": left, "outlivedRemoved": gone})
        return
    out = console()
    out.print(styled((made.id, STRONG), f": {count(made.records, 'record')}, {format_bytes(made.size)}, ", (made.sealed, GOOD)))
    for name in left:
        out.print(styled((f"{name}: was never finished, and is gone", WARN)))
    for name in gone:
        out.print(styled((f"{name}: is outlived, and gone", FAINT)))


@bundled
def verify_command(
    stack: Stack,
    *,
    backup: Backup = None,
    key_file: KeyFile = None,
    place: Place,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Read all of a backup: checksums, decryption, records per partition, no file missing and none besides.

    Exit codes: 0 whole, 2 bad input or another key, 3 not whole.
    """
    spec, declared = declared_in(root, stack)
    store = store_of(spec, declared, place)
    name = chosen(store, backup)
    tell = progress("checked")
    found = verify(store, name, key_of(key_file), tell)
    if as_json:
        print_json({**_summary(found.manifest, not found.problems), "problems": found.problems})
    else:
        out = console()
        for problem in found.problems:
            out.print(styled((problem, BAD)))
        verdict = ("not whole", BAD) if found.problems else ("whole", GOOD)
        out.print(styled((name, STRONG), ": ", verdict, f", {count(found.manifest.records, 'record')}"))
    raise typer.Exit(NOT_WHOLE if found.problems else 0)


@bundled
def restore_command(
    stack: Stack,
    *,
    reach: Reach,
    backup: Backup = None,
    of: Annotated[
        str | None, typer.Option("--of", metavar="STACK", help="Restore the backup of another environment into this one.")
    ] = None,
    into_existing: Annotated[
        bool, typer.Option("--into-existing", help="Add to a target that is in use; what is there is not changed.")
    ] = False,
    key_file: KeyFile = None,
    audit_log: AuditFile = None,
    place: Place,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """Put a backup into an empty cluster: topics, records, schemas with their ids, ACLs, connectors that do not run yet,
    groups.

    Every file is judged before anything is changed. A run that was killed is finished by running the same again, and repeats
    nothing. Exit codes: 0 restored, 2 bad input, no answer, or a target in use, 3 the backup is damaged.
    """
    from operations.audit_log import audited

    spec, declared = declared_in(root, stack)
    store = store_of(spec, declared, place, of)
    name = chosen(store, backup)
    manifest, seal = proven_manifest(store, name, key_of(key_file))
    if manifest.environment != (of or spec.name):
        raise BackupError(
            f"{name}: is of {manifest.environment}, not of {of or spec.name}"
            f"\n      → say --of {manifest.environment} if it is meant"
        )
    folder = project.find_root(root)
    with (
        opened(plan_of(spec, declared), reach) as (sources, settings),
        audited(folder, spec.name, "backup restore", audit_log) as log,
    ):
        tellers = {what: progress(what) for what in ("checked", "restored")}
        done = Restore(
            store,
            manifest,
            seal,
            sources,
            settings,
            into_existing,
            log,
            lambda what, now, all_of_it: tellers[what](now, all_of_it),
        ).run()
    if as_json:
        print_json({"backup": name, "stack": spec.name} | {field: getattr(done, field) for field in done.__slots__})
        return
    out = console()
    out.print(
        styled(
            (name, STRONG),
            f": {count(done.topics, 'topic')}, {count(done.records, 'record')}, {count(done.groups, 'group')}, ",
            f"{count(done.schemas, 'schema')}, {count(done.connectors, 'connector')}",
        )
    )
    for note in done.notes:
        out.print(styled((note, WARN)))


@bundled
def list_command(
    stack: Stack,
    *,
    place: Place,
    as_json: Json = False,
    root: Root = None,
) -> None:
    """What backups there are, how old and large, and whether their files are all there (cdc backup verify reads them too).

    Exit codes: 0 all are whole, 2 bad input, 3 one is not, or there is none.
    """
    spec, declared = declared_in(root, stack)
    store = store_of(spec, declared, place)
    names = [name for name in store.children() if is_id(name)]
    found = [(name, read_or_none(store, name)) for name in names]
    rows = [
        {"id": name, "whole": False} if manifest is None else _summary(manifest, is_whole(store, manifest))
        for name, manifest in found
    ]
    if as_json:
        print_json({"stack": spec.name, "backups": rows})
    else:
        _show(rows)
    raise typer.Exit(0 if rows and all(row["whole"] for row in rows) else NOT_WHOLE)


def _show(rows: list[dict[str, Any]]) -> None:
    out = console()
    for row in rows:
        verdict = ("whole", GOOD) if row["whole"] else ("not whole", BAD)
        if "kind" not in row:
            out.print(styled((row["id"], STRONG), "  ", verdict, "  was never finished"))
            continue
        size = f"{format_bytes(row['bytes'])}  {count(row['records'], 'record')}"
        what = f"  {row['kind']}  {row['age']} old  {size}  {row['sealed']}"
        out.print(styled((row["id"], STRONG), "  ", verdict, what))
    if not rows:
        out.print(styled(("there is no backup", BAD)))


def _summary(manifest: Manifest, whole: bool) -> dict[str, Any]:
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(manifest.ended)).total_seconds()))
    days, rest = divmod(seconds, 86_400)
    return {
        "id": manifest.id,
        "environment": manifest.environment,
        "kind": manifest.kind,
        "began": manifest.began,
        "ended": manifest.ended,
        "ageSeconds": seconds,
        "age": f"{days} d" if days else f"{rest // 3600} h" if rest >= 3600 else f"{rest // 60} min",
        "bytes": manifest.size,
        "records": manifest.records,
        "files": len(manifest.files),
        "sealed": manifest.sealed,
        "key": manifest.key or None,
        "whole": whole,
    }


def progress(what: str) -> Callable[[int, int], None]:
    """Tells a person how far it is, on a terminal and not more than a few times a second."""
    told = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if not sys.stderr.isatty() or (now - told < _TELL_SECONDS and done < total):
            return
        told = now
        share = 100 if total == 0 else min(100, 100 * done // total)
        sys.stderr.write(f"\r{what} {share:3d} % ({done:,} of {total:,})" + ("\n" if done >= total else ""))
        sys.stderr.flush()

    return tell
