"""The two doors the demo uses: the public API, as any customer does, and the sandbox's control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

REQUEST_SECONDS_MAX = 30.0
PAGES_MAX = 100


class DemoFailed(Exception):
    """A step of the demo could not be done; the message says which and why."""


@dataclass(frozen=True)
class Door:
    """An HTTP client that turns every refusal into a sentence about what was asked and answered."""

    client: httpx.AsyncClient

    async def get(self, path: str, **query: str) -> Any:
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: object | None = None, **options: Any) -> Any:
        return await self._ask("POST", path, json=body if body is not None else {}, **options)

    async def upload(self, path: str, csv: bytes) -> Any:
        return await self._ask("POST", path, content=csv, headers={"content-type": "text/csv"})

    async def every(self, path: str, plural: str, **query: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        token = ""
        for _ in range(PAGES_MAX):
            page = await self.get(path, pageSize="500", pageToken=token, **query)
            found += page[plural]
            token = page["nextPageToken"]
            if not token:
                return found
        raise DemoFailed(f"GET {path} has more than {PAGES_MAX} pages")

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.client.request(method, path, **options)
        if answer.is_error:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()


@asynccontextmanager
async def open_door(url: str, *, api_key: str = "") -> AsyncIterator[Door]:
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=REQUEST_SECONDS_MAX) as client:
        yield Door(client)
