"""Asks an ASGI application without any server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.types import ASGIApp


class AsgiClient:
    """Each request has an event loop of its own. What the application raises behind its answer is not the client's to see."""

    def __init__(self, application: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request."""
        return asyncio.run(self._request(method, path, more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **more)

    async def _request(self, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://admin") as client:
            return await client.request(method, path, **more)


async def chunked(piece: bytes, times: int) -> AsyncIterator[bytes]:
    """A body of which no length is declared."""
    for _ in range(times):
        yield piece
