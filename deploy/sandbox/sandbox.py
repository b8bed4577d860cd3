"""Everything one running sandbox holds, put together in one place."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from deploy.sandbox.calls import CallBook
from deploy.sandbox.catalog import Catalog
from deploy.sandbox.config import Config
from deploy.sandbox.contracts import Contracts
from deploy.sandbox.faults import FaultBook
from deploy.sandbox.journal import Journal
from deploy.sandbox.sender import Stage
from deploy.sandbox.settings import Settings, changed
from deploy.sandbox.texting import MessageBook
from deploy.sandbox.webhooks import CONCURRENT_MAX, Courier


class Sandbox:
    """`settings` is replaced whole; what was set at runtime is laid over the environment's values."""

    def __init__(self, config: Config, *, client: httpx.AsyncClient, public_url: str) -> None:
        self.config = config
        self.public_url = public_url
        self.journal = Journal(config.data_dir)
        self._set_at_runtime: dict[str, Any] = self.journal.recall("settings") or {}
        self.settings: Settings = changed(config.settings, self._set_at_runtime)
        rng = random.Random(config.seed)
        self.faults = FaultBook(rng)
        self.contracts = Contracts(config.openapi_dir)
        self.catalog = Catalog(self.journal)
        self.courier = Courier(
            client=client, settings=self._current_settings, faults=self.faults, journal=self.journal, rng=rng
        )
        stage = Stage(
            catalog=self.catalog,
            courier=self.courier,
            settings=self._current_settings,
            changed=self._call_changed,
            recordings_url=f"{public_url}/vapi/recordings",
        )
        self.calls = CallBook(
            journal=self.journal, stage=stage, settings=self._current_settings, seed=config.seed
        )
        self.messages = MessageBook(
            client=client, settings=self._current_settings, journal=self.journal, faults=self.faults, rng=rng
        )

    def change_settings(self, values: dict[str, Any]) -> Settings:
        """Raises ValueError, and then changes nothing."""
        self.settings = changed(self.settings, values)
        self._set_at_runtime |= values
        self.journal.remember("settings", self._set_at_runtime)
        return self.settings

    async def reset(self, *, settings: bool = False, objects: bool = False) -> None:
        """Forgets calls, messages, requests and faults; what was set or created at runtime only if told."""
        await self.calls.reset()
        await self.messages.reset()
        await self.courier.close()
        self.faults.clear()
        self.faults.struck.clear()
        for counter in self.courier.counts.values():
            counter.clear()
        self.journal.forget(kinds=("call", "message"))
        if objects:
            self.catalog.start_over()
        if settings:
            self._set_at_runtime.clear()
            self.journal.remember("settings", {})
            self.settings = self.config.settings

    async def close(self) -> None:
        await self.calls.stop()
        await self.messages.stop()
        await self.courier.close()
        self.journal.close()

    def _current_settings(self) -> Settings:
        return self.settings

    def _call_changed(self, call: Any) -> None:
        self.calls.save(call)


@asynccontextmanager
async def opened(config: Config, *, public_url: str) -> AsyncIterator[Sandbox]:
    """A sandbox whose unfinished calls of an earlier run are being ended."""
    # The pool walks over all its connections for each request: a small one is a fast one.
    limits = httpx.Limits(max_connections=CONCURRENT_MAX, max_keepalive_connections=16)
    async with httpx.AsyncClient(limits=limits, timeout=20.0, trust_env=False) as client:
        sandbox = Sandbox(config, client=client, public_url=public_url)
        try:
            sandbox.calls.resume()
            yield sandbox
        finally:
            await sandbox.close()
