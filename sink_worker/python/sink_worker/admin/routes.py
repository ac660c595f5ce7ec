"""The routes: what each takes, who may ask it, and what it answers. The work is :mod:`sink_worker.admin.backend`'s."""

import asyncio
import threading
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import FastAPI, Path, Query, Request, Response

from sink_worker.admin import models
from sink_worker.admin.authentication import Principal
from sink_worker.admin.backend import Backend, Record
from sink_worker.admin.gate import OPEN, ROLE
from sink_worker.admin.problems import Problem, documented
from sink_worker.admin.settings import Role
from sink_worker.dlq_processor.sheet import SheetError
from sink_worker.evolution.reviews import ReviewError

Identity = Annotated[int, Path(ge=1, le=models.LARGEST)]
Name = Annotated[str, Path(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f\x7f]+$")]
After = Annotated[int, Query(ge=0, le=models.LARGEST, description="Only those with a greater id.")]
Limit = Annotated[int, Query(ge=1, le=models.MOST)]
TableName = Annotated[str, Query(min_length=3, max_length=127, pattern=r"^[^\x00-\x1f\x7f]+$", description="schema.table")]
Found = TypeVar("Found")
Status = Literal["open", "superseded", "replayed", "discarded"]
_ERRORS: Final = (400, 401, 403, 413, 422, 429, 500, 503)
_REVIEW_STATUS: Final = {"unknown": 404, "decided": 409, "changed": 409, "failed": 409, "locked": 409, "argument": 422}
CSV: Final = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


def _route(role: Role | str, *statuses: int, **more: Any) -> dict[str, Any]:
    return {"openapi_extra": {ROLE: str(role), **more}, "responses": documented(*sorted({*_ERRORS, *statuses}))}


def add_routes(api: FastAPI, backend: Backend, most_imports: int) -> None:
    """Onto the application."""
    api.get("/health", openapi_extra={ROLE: OPEN}, summary="Whether the API answers; nothing else is open")(_health)
    _state(api, backend)
    _dead_letters(api, backend, threading.BoundedSemaphore(most_imports))
    _sheets(api, backend, threading.BoundedSemaphore(most_imports))
    _reviews(api, backend)


def _health() -> models.Health:
    return models.Health(status="ok")


def _state(api: FastAPI, backend: Backend) -> None:
    @api.get("/v1/state", response_model=models.State, summary="Partitions, paused tables, workers and their breakers",
             **_route(Role.VIEWER))  # fmt: skip
    def state() -> Record:
        return backend.state()

    @api.get("/v1/tables", response_model=list[models.Table], summary="Tables of the pipeline", **_route(Role.VIEWER))
    def tables() -> list[Record]:
        return backend.tables()

    @api.post("/v1/tables/{schema}/{table}/pause", status_code=204, summary="Write nothing to a table from now on",
              **_route(Role.OPERATOR, 404, 409))  # fmt: skip
    def pause(schema: Name, table: Name, body: models.Reason, request: Request) -> None:
        done = backend.pause(schema, table, body.reason, _caller(request).name)
        if done is None:
            raise Problem(404, f"the pipeline has read nothing for a table {schema}.{table}; GET /v1/tables lists them")
        if not done:
            raise Problem(409, f"{schema}.{table} is paused already")

    @api.post("/v1/tables/{schema}/{table}/resume", status_code=204, summary="Write to a paused table again",
              **_route(Role.OPERATOR, 409))  # fmt: skip
    def resume(schema: Name, table: Name) -> None:
        if not backend.resume(schema, table):
            raise Problem(409, f"{schema}.{table} is not paused")

    @api.get("/v1/audit", response_model=list[models.AuditEntry], summary="The audit log, the newest first",
             **_route(Role.ADMIN))  # fmt: skip
    def audit(before: Annotated[int | None, Query(ge=1, le=models.LARGEST)] = None, limit: Limit = 100) -> list[Record]:
        return backend.audit(before, limit)

    @api.get("/v1/openapi.json", summary="This description", **_route(Role.VIEWER))
    def openapi() -> dict[str, Any]:
        return api.openapi()


def _dead_letters(api: FastAPI, backend: Backend, busy: threading.BoundedSemaphore) -> None:
    @api.get("/v1/dead-letters/summary", response_model=models.Summary, summary="What waits, by table, class and reason",
             **_route(Role.VIEWER))  # fmt: skip
    def summary() -> Record:
        return backend.summary()

    @api.get("/v1/dead-letters/archive", response_model=list[models.Archived], summary="What was given up",
             **_route(Role.VIEWER))  # fmt: skip
    def archived(after: After = 0, limit: Limit = 100) -> list[Record]:
        return backend.archived(after, limit)

    @api.get("/v1/dead-letters/malformed", response_model=list[models.Malformed],
             summary="Records of the topic of dead letters that name no event", **_route(Role.VIEWER))  # fmt: skip
    def malformed(limit: Limit = 100) -> list[Record]:
        return backend.malformed(limit)

    @api.get("/v1/dead-letters", response_model=list[models.DeadLetter], summary="Refused events, without their values",
             **_route(Role.VIEWER))  # fmt: skip
    def letters(status: Status | None = None, table: TableName | None = None, after: After = 0,
                limit: Limit = 100) -> list[Record]:  # fmt: skip
        return backend.letters(status, table, after, limit)

    @api.get("/v1/dead-letters/{identity:int}", response_model=models.DeadLetterInFull, summary="One, with what was said of it",
             **_route(Role.OPERATOR, 404))  # fmt: skip
    def letter(identity: Identity) -> Record:
        if (found := backend.letter(identity)) is None:
            raise Problem(404, f"there is no refused event {identity}")
        return found

    @api.post("/v1/dead-letters/replay", summary="Try open events now; never an older value over a newer one",
              **_route(Role.OPERATOR))  # fmt: skip
    def replay(body: models.ReplayOrder) -> dict[str, int]:
        return _one_at_a_time(busy, lambda: backend.replay(body.ids, body.table, body.limit, body.dry_run))

    @api.post("/v1/dead-letters/archive", summary="Give open events up, and keep them in the archive", **_route(Role.ADMIN))
    def archive(body: models.ArchiveOrder, request: Request) -> dict[str, list[int]]:
        return backend.archive(body.ids, body.reason, _caller(request).name)

    @api.post("/v1/dead-letters/restore", summary="Open archived events again", **_route(Role.ADMIN))
    def restore(body: models.Identities) -> dict[str, list[int]]:
        return backend.restore(body.ids)


def _sheets(api: FastAPI, backend: Backend, busy: threading.BoundedSemaphore) -> None:
    @api.get("/v1/validation/sheet", summary="A table's events to correct, as CSV: it holds values of rows",
             response_class=Response, **_route(Role.OPERATOR))  # fmt: skip
    def export(table: TableName) -> Response:
        found = _one_at_a_time(busy, lambda: backend.export(table))
        headers = {"x-events": str(found.events), "x-left-out": str(len(found.left_out)),
                   "content-disposition": 'attachment; filename="dead-letters.csv"'}  # fmt: skip
        return Response(found.text, media_type="text/csv; charset=utf-8", headers=headers)

    @api.post("/v1/validation/sheet", response_model=models.Imported,
              summary="Apply a corrected sheet; refused as a whole where its columns or a key were changed",
              **_route(Role.OPERATOR, 415, **CSV))  # fmt: skip
    async def import_(request: Request, dry_run: bool = False) -> models.Imported:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
            raise Problem(415, "send the sheet as text/csv")
        try:
            text = (await request.body()).decode()
        except UnicodeDecodeError:
            raise Problem(422, "the sheet is not in UTF-8") from None
        try:
            done = await asyncio.to_thread(_one_at_a_time, busy, lambda: backend.import_(text, dry_run))
        except SheetError as error:
            raise Problem(422, "the sheet is refused; nothing of it was written", problems=error.problems) from None
        return models.Imported(counts=dict(done.counts), refused=done.refused)


def _reviews(api: FastAPI, backend: Backend) -> None:
    @api.get("/v1/schema/reviews", summary="Breaking schema changes that wait for a person", **_route(Role.VIEWER))
    def reviews(decided: bool = False) -> list[dict[str, Any]]:
        return backend.reviews(decided)

    @api.post("/v1/schema/reviews/{identity:int}/approve", summary="Change the table as shown, and release what waits",
              **_route(Role.ADMIN, 404, 409))  # fmt: skip
    def approve(identity: Identity, body: models.Approval, request: Request) -> dict[str, Any]:
        return _decided(lambda: backend.approve(identity, _caller(request).name, body.note))

    @api.post(
        "/v1/schema/reviews/{identity:int}/reject", summary="Keep events of that schema out", **_route(Role.ADMIN, 404, 409)
    )
    def reject(identity: Identity, body: models.Reason, request: Request) -> dict[str, Any]:
        return _decided(lambda: backend.reject(identity, _caller(request).name, body.reason))


def _decided(decide: Callable[[], Record]) -> Record:
    try:
        return decide()
    except ReviewError as error:
        raise Problem(_REVIEW_STATUS.get(error.code, 409), str(error)) from None


def _caller(request: Request) -> Principal:
    found: Principal = request.state.principal
    return found


def _one_at_a_time(busy: threading.BoundedSemaphore, work: Callable[[], Found]) -> Found:
    """Large work is not done many times at once: this process is small."""
    if not busy.acquire(blocking=False):
        raise Problem(429, "another such request is being worked on; try again when it is done", headers={"Retry-After": "5"})
    try:
        return work()
    finally:
        busy.release()
