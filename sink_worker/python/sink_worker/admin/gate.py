"""What every request passes before its route: limits, who asks, whether they may, and the audit log. Pure ASGI.

Authentication comes before anything of the request is read but its head, and a route that names no role is refused: nothing is
open by being forgotten.
"""

import asyncio
import secrets
from collections.abc import MutableMapping
from typing import Any, Final

import psycopg
import structlog
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sink_worker.admin.audit import Entry
from sink_worker.admin.authentication import Authenticator, Principal, TokensError
from sink_worker.admin.backend import Backend
from sink_worker.admin.limits import Buckets
from sink_worker.admin.problems import Problem, answer
from sink_worker.admin.settings import AdminSettings, Role
from sink_worker.errors import public_message

_log = structlog.get_logger("sink_worker.admin")
ROLE: Final = "x-role"
"""A route's role in its OpenAPI: one of :class:`Role`, or ``open``."""
OPEN: Final = "open"
SMALL_BODY_BYTES: Final = 64 * 1024
LONGEST_TARGET: Final = 300
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Gate:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, api: FastAPI, settings: AdminSettings, backend: Backend, known: Authenticator) -> None:
        self._app, self._api, self._settings, self._backend, self._known = app, api, settings, backend, known
        self._buckets = Buckets(settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = _Request(scope, send)
        try:
            await self._pass(request, receive)
        except Problem as problem:
            await request.answer(problem)
        except Exception as error:
            _log.error("request_failed", request_id=request.id, error=type(error).__name__, where=_where(error))
            await request.answer(Problem(500, "this is a defect; the log names it by the request's id"))

    async def _pass(self, request: "_Request", receive: Receive) -> None:
        route = self._route(request.scope)
        role = None if route is None else (route.openapi_extra or {}).get(ROLE)
        if role == OPEN:
            await self._app(request.scope, receive, request.send)
            return
        self._limit(f"address {request.client}")
        principal = await self._principal(request)
        request.scope["state"]["principal"] = principal
        self._limit(f"{principal.how} {principal.name}")
        action = "unknown" if route is None else f"{request.scope['method']} {route.path_format}"
        await self._authorize(request, principal, role, route is not None, action)
        await self._noted(request, receive, principal, action, self._body_limit(route))

    async def _principal(self, request: "_Request") -> Principal:
        authorization = request.header(b"authorization")
        subject = request.scope.get("extensions", {}).get("tls", {}).get("client_cert_name")
        try:
            principal = await asyncio.to_thread(self._known.principal, authorization, subject)
        except TokensError as error:
            _log.error("tokens_unusable", error=str(error))
            raise Problem(503, "the file of tokens cannot be used; see the log") from None
        if principal is None:
            entry = Entry(request.id, "answered", "unknown", "", "", request.client, "unknown", request.target, 401)
            await asyncio.to_thread(self._backend.note, entry, stored=False)
            detail = "say who asks: a client certificate whose subject has a role, or Authorization: Bearer <token>"
            raise Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="sink-worker"'})
        return principal

    async def _authorize(self, request: "_Request", principal: Principal, role: Any, routed: bool, action: str) -> None:
        if not routed:
            return  # the application answers 404 or 405
        if role not in set(Role) or not principal.role.may(Role(role)):
            await self._note(request, principal, action, "answered", 403)
            raise Problem(403, f"this needs the role {role}; {principal.name} is {principal.role}")

    async def _noted(self, request: "_Request", receive: Receive, principal: Principal, action: str, most: int) -> None:
        if request.scope["method"] in _WRITES:
            await self._note(request, principal, action, "asked", None)
        try:
            await self._app(request.scope, _limited(receive, most, request), request.send)
        except BaseException:
            await asyncio.shield(self._note(request, principal, action, "answered", request.status or 500))
            raise
        await asyncio.shield(self._note(request, principal, action, "answered", request.status))

    async def _note(self, request: "_Request", principal: Principal, action: str, phase: Any, status: int | None) -> None:
        entry = Entry(request.id, phase, principal.name, principal.role, principal.how, request.client, action, request.target,
                      status)  # fmt: skip
        try:
            await asyncio.to_thread(self._backend.note, entry, stored=True)
        except (psycopg.Error, OSError) as error:
            _log.error("audit_failed", request_id=request.id, error=public_message(error))
            if phase == "asked":
                raise Problem(503, "nothing is done that cannot be noted in the audit log; try again later") from None

    def _limit(self, client: str) -> None:
        if wait := self._buckets.take(client):
            raise Problem(429, "too many requests", headers={"Retry-After": str(int(wait) + 1)})

    def _route(self, scope: Scope) -> APIRoute | None:
        for route in self._api.routes:
            if isinstance(route, APIRoute) and route.matches(scope)[0] is Match.FULL:
                return route
        return None

    def _body_limit(self, route: APIRoute | None) -> int:
        large = route is not None and "text/csv" in str((route.openapi_extra or {}).get("requestBody", ""))
        return self._settings.import_max_bytes if large else SMALL_BODY_BYTES


class _Request:
    """One request on its way: its id, and what was answered."""

    def __init__(self, scope: MutableMapping[str, Any], send: Send) -> None:
        self.scope = scope
        self.id = secrets.token_hex(8)
        scope.setdefault("state", {})
        scope["state"]["request_id"] = self.id
        self.client = (scope.get("client") or ("unknown", 0))[0]
        # A line break or an escape sequence in a path must not look like another entry of a log.
        self.target = "".join(c if c.isprintable() else "?" for c in scope["path"])[:LONGEST_TARGET]
        self.status: int | None = None
        self._send = send

    def header(self, name: bytes) -> str | None:
        """A header's value, when it is there once."""
        found = [value for key, value in self.scope["headers"] if key == name]
        return found[0].decode("latin-1") if len(found) == 1 else None

    async def send(self, message: Message) -> None:
        """Pass a message on, and remember its status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (b"cache-control", b"no-store"), (b"x-request-id", self.id.encode()),
                       (b"x-content-type-options", b"nosniff")]  # fmt: skip
            message = {**message, "headers": headers}
        await self._send(message)

    async def answer(self, problem: Problem) -> None:
        """Answer with a problem, where nothing was answered yet."""
        if self.status is None:
            await answer(problem, self.id)(self.scope, _nothing, self.send)


def _limited(receive: Receive, most: int, request: _Request) -> Receive:
    declared = request.header(b"content-length")
    if declared is not None and (not declared.isdigit() or int(declared) > most):
        raise Problem(413, f"the body may have {most} bytes")
    seen = 0

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise Problem(413, f"the body may have {most} bytes")
        return message

    return counting


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _where(error: BaseException) -> str:
    """File and line of a defect, without the values that a traceback may show."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
