"""The admin API as an ASGI application."""

from typing import Any, Final

import psycopg
import structlog
from confluent_kafka import KafkaException
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import ASGIApp

from sink_worker.admin.authentication import Authenticator
from sink_worker.admin.backend import Backend
from sink_worker.admin.gate import OPEN, ROLE, Gate
from sink_worker.admin.problems import Problem, ProblemDetails, answer
from sink_worker.admin.routes import add_routes
from sink_worker.admin.settings import AdminSettings
from sink_worker.errors import public_message

_log = structlog.get_logger("sink_worker.admin")
VERSION: Final = "1"
_DESCRIPTION: Final = "A pipeline's tables, dead letters and schema reviews. Errors are application/problem+json."
_SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token whose digest is in the file of tokens."},
    "certificate": {"type": "mutualTLS", "description": "A client certificate whose subject has a role."},
}


def make_api(backend: Backend, most_imports: int = 1) -> FastAPI:
    """The routes alone, without their gate: nobody serves this."""
    api = FastAPI(title="sink-worker admin API", version=VERSION, openapi_url=None, docs_url=None, redoc_url=None,
                  description=_DESCRIPTION)  # fmt: skip
    api.add_exception_handler(Problem, _on_problem)
    api.add_exception_handler(RequestValidationError, _on_invalid)
    api.add_exception_handler(HTTPException, _on_http)
    for kind in (psycopg.Error, KafkaException, OSError):
        api.add_exception_handler(kind, _on_environment)
    api.add_exception_handler(Exception, _on_defect)
    add_routes(api, backend, most_imports)
    describe = api.openapi

    def openapi() -> dict[str, Any]:
        return _completed(describe())

    api.openapi = openapi  # type: ignore[method-assign]
    return api


def make_application(settings: AdminSettings, backend: Backend) -> ASGIApp:
    """What is served. SettingsError when nobody could be told from anybody."""
    known = Authenticator(settings)
    api = make_api(backend, settings.most_imports)
    return Gate(api, api, settings, backend, known)


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    schemas = components.setdefault("schemas", {})
    schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path in document["paths"].values():
        for operation in path.values():
            opened = operation[ROLE] == OPEN
            operation["security"] = [] if opened else [{name: []} for name in _SCHEMES]
            operation.get("responses", {}).pop("422", None) if opened else None
    return document


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Problem):
        raise error
    return answer(error, _request_id(request))


async def _on_environment(request: Request, error: Exception) -> JSONResponse:
    _log.warning("environment_failed", request_id=_request_id(request), error=public_message(error))
    return answer(Problem(503, "PostgreSQL or Kafka does not answer; try again later"), _request_id(request))


async def _on_defect(request: Request, _error: Exception) -> JSONResponse:
    """The gate logs it: it is raised again behind this."""
    return answer(Problem(500, "this is a defect; the log names it by the request's id"), _request_id(request))


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    """What is wrong, and where; not what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    return answer(Problem(422, "the request does not fit its description", problems=problems), _request_id(request))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    told = {404: "there is no such path", 405: "this path does not take this method"}
    headers = dict(error.headers or {})
    if error.status_code == 405:  # the router knows of the first route of the path only
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    problem = Problem(error.status_code, told.get(error.status_code, str(error.detail)), headers=headers)
    return answer(problem, _request_id(request))


def _methods(request: Request) -> set[str]:
    """What the path takes."""
    routes = [route for route in request.app.routes if isinstance(route, APIRoute)]
    there = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in there for method in route.methods or ()}
