"""Errors as ``application/problem+json`` (RFC 9457): a title, a status, what is wrong and what to do. Never a traceback."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.responses import JSONResponse
from pydantic import BaseModel

KIND: Final = "application/problem+json"


class ProblemDetails(BaseModel):
    """What every error answers."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    problems: list[str] = []
    request_id: str = ""


class Problem(Exception):
    """An answer other than the one asked for."""

    def __init__(
        self, status: int, detail: str, *, problems: Sequence[str] = (), headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.detail = detail
        self.problems = list(problems)
        self.headers = headers or {}
        super().__init__(detail)


def answer(problem: Problem, request_id: str) -> JSONResponse:
    """The response of a problem."""
    body = ProblemDetails(title=HTTPStatus(problem.status).phrase, status=problem.status, detail=problem.detail,
                          problems=problem.problems, request_id=request_id)  # fmt: skip
    return JSONResponse(body.model_dump(), problem.status, problem.headers, media_type=KIND)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the errors that a route answers with."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {status: {"description": HTTPStatus(status).phrase, "content": {KIND: {"schema": schema}}} for status in statuses}
